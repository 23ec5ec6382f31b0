"""Only what a person approved is promoted: what tasks compare; how Airflow asks again is in the live test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from dag_runs import dag, run, states

import kitops_core as kitops
from kitops_airflow import KitPromoteOperator

pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="approvals came with Airflow 3.1"),
]
if AIRFLOW_V_3_1_PLUS:
    from kitops_airflow.failures import KitOpsTaskError
    from kitops_airflow.operators.approve import KitApprovalOperator, check_answer

ABOUT = {
    "kit": "r.example.com/ml/churn@sha256:" + "a" * 64,
    "channel": "r.example.com/ml/churn:prod",
    "replaces": "absent",
}
OTHER = {**ABOUT, "kit": "r.example.com/ml/churn@sha256:" + "b" * 64}
YES = {"chosen_options": ["Approve"], "params_input": {}}


@pytest.mark.parametrize(
    ("answer", "asked", "said"),
    [
        (None, ABOUT, "nobody approved it"),
        ({**YES, "chosen_options": ["Reject"]}, ABOUT, "it was not approved: the answer is Reject"),
        ({**YES, "chosen_options": []}, ABOUT, "it was not approved"),
        (YES, None, "does not say what was approved"),
        (YES, OTHER, f"what was approved is {OTHER['kit']}"),
        (YES, {**ABOUT, "channel": "r.example.com/ml/churn:eu"}, "churn:eu instead of absent, and what is planned now"),
        (YES, {**ABOUT, "replaces": "sha256:" + "c" * 64}, "instead of sha256:ccc"),
        ({**YES, "params_input": OTHER}, ABOUT, f"what was approved is {OTHER['kit']}"),
        ([YES, YES], [ABOUT, ABOUT], "nobody approved it"),
    ],
)
def test_whatever_is_not_a_yes_to_this_very_promotion_is_refused(answer: Any, asked: Any, said: str) -> None:
    with pytest.raises(KitOpsTaskError) as refused:
        check_answer(answer, asked, ABOUT)
    assert said in str(refused.value)


@pytest.mark.parametrize("shown", [{}, ABOUT, {"comment": "go"}])
def test_a_yes_to_this_very_promotion_is_taken_with_what_the_page_showed_or_without(shown: dict[str, str]) -> None:
    check_answer({**YES, "params_input": shown}, ABOUT, ABOUT)


class FakeAirflow:
    """In place of a running Airflow: keeps the first question, as that one does, and what was pushed."""

    id = "0198a6a1-0000-7000-8000-000000000000"

    def __init__(self) -> None:
        self.question: Any = None
        self.pushed: dict[str, Any] = {}

    def send(self, msg: Any) -> Any:
        self.question = self.question or msg
        return self.question

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def test_an_approval_asks_only_where_airflow_shows_its_question_and_notes_before_what_it_is_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.execution_time import task_runner

    airflow = FakeAirflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", airflow, raising=False)

    def execute(about: dict[str, str]) -> None:
        with dag("asked"):
            ask = KitApprovalOperator(task_id="approve", subject="Promote?", body="", about=about)
        ask.execute({"ti": airflow, "task_instance": airflow})

    for _ in range(2):  # the same question may be asked again
        with pytest.raises(BaseException) as parked:
            execute(ABOUT)
        assert type(parked.value).__name__ in ("TaskAwaitingInput", "TaskDeferred")
        assert airflow.pushed.pop("asked") == ABOUT
    assert {name: said["schema"]["const"] for name, said in airflow.question.params.items()} == ABOUT  # not in the form
    with pytest.raises(
        KitOpsTaskError, match=f"first try, about {ABOUT['kit']}.* now is {OTHER['kit']}.*nobody was asked"
    ):
        execute(OTHER)
    assert airflow.pushed == {}


def test_the_record_names_who_approved_in_airflow_what_and_when(registry: str, model: Path, tmp_path: Path) -> None:
    kit = f"{registry}/approved/churn"
    policy = tmp_path / "promotion.yaml"
    policy.write_text(f"kit: {kit}\nchannels: {{dev: {{}}, prod: {{from: dev}}}}\n")
    candidate = f"{kit}@{kitops.pack(model, f'{kit}:dev', push=True).digest}"
    with dag("approved") as made:

        @task
        def approve(ti: Any) -> dict[str, object]:  # what the approval returns
            ti.xcom_push(key="asked", value={"kit": candidate, "channel": f"{kit}:prod", "replaces": "absent"})
            return {
                **YES,
                "responded_at": "2026-01-02T03:04:05+00:00",
                "responded_by_user": {"id": "7", "name": "ada"},
            }

        kwargs = {"to": "prod", "policy": str(policy), "approval": "approve", "note": "go", "expect": "absent"}
        (
            approve()
            >> KitPromoteOperator(task_id="promote", reference=candidate, **kwargs)
            # As another try, where the first ended before Airflow noted that it had moved the tag.
            >> KitPromoteOperator(task_id="again", reference=candidate, **kwargs)
            >> KitPromoteOperator(task_id="anything", reference="dev", **kwargs)
        )
    dag_run = run(made)
    assert states(dag_run) == {"approve": "success", "promote": "success", "again": "success", "anything": "failed"}
    (record,) = kitops.history("prod", policy=policy)
    assert record.actor == f"ada in approved {dag_run.run_id}"
    assert record.note == "go; Approve by ada in Airflow at 2026-01-02T03:04:05+00:00"

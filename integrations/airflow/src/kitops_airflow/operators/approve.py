"""The operator that asks a person, and knows what the person was shown; it needs Airflow 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import Param
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.definitions.param import ParamsDict

from kitops_airflow.failures import KitOpsTaskError

ASKED = "asked"
"""The XCom that says what was asked about; it is written before anybody can answer."""


class KitApprovalOperator(ApprovalOperator):
    """Airflow's ``ApprovalOperator`` about one promotion: the answer to another question is no answer.

    Airflow keeps the first question of a task instance for all its tries: cleared, and with another promotion planned
    by then, it would show the first one again. So what is asked about is part of the question, as parameters that the
    form does not show, and is compared with the question that Airflow has before anybody is told that there is one.
    What was asked about is in the XCom ``asked``; whoever goes by the answer compares it.

    Args:
        about: What is asked about: ``kit``, the channel's tag ``channel``, and ``replaces``, its digest now or
            ``absent``. Templated.
        **kwargs: Arguments of Airflow's operator.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "about")

    def __init__(self, *, about: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.about = about
        self._ask_about(dict.fromkeys(about, ""))

    def execute(self, context: Any) -> Any:
        """Ask.

        Raises:
            KitOpsTaskError: Airflow would show another question.
        """
        self._ask_about({name: Param(value, const=value) for name, value in self.about.items()})
        shown = self._question(context)
        if shown != self.about:
            raise KitOpsTaskError(
                f"Airflow keeps the question of this task's first try, about {_said(shown)}, and what is planned now "
                f"is {_said(self.about)}: nobody was asked. Start a new run, which asks about that"
            )
        context["ti"].xcom_push(key=ASKED, value=dict(self.about))
        return super().execute(context)

    def _ask_about(self, about: Mapping[str, Any]) -> None:
        """Have the parameters among those of the question."""
        others = {name: self.params.get_param(name) for name in self.params if name not in about}
        self.params = ParamsDict({**others, **about})

    def _question(self, context: Any) -> dict[str, Any]:
        """What the question is about that Airflow has now: ours, or that of an earlier try."""
        # What `upsert_hitl_detail` of the SDK does, which does not hand on the answer: the question as it is kept.
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

        users: Any = self.assigned_users or []
        kept = task_runner.SUPERVISOR_COMMS.send(
            CreateHITLDetailPayload(
                ti_id=context["ti"].id,
                options=self.options,
                subject=self.subject,
                body=self.body,
                defaults=self.defaults,
                multiple=self.multiple,
                params=self.serialized_params,
                assigned_users=users,
            )
        )
        params = getattr(kept, "params", None) or {}
        # Before 3.1.3 a parameter is its value.
        return {
            name: value["value"] if isinstance(value, Mapping) else value
            for name, value in params.items()
            if name in self.about
        }


def check_answer(answer: Any, asked: Any, planned: Mapping[str, str]) -> None:
    """See that a person approved what is going to be promoted.

    Args:
        answer: What the task that asked returned.
        asked: Its XCom ``asked``.
        planned: What is going to be promoted, as ``about`` of :class:`KitApprovalOperator`.

    Raises:
        KitOpsTaskError: Nobody answered, the answer is no, or it is about something else.
    """
    if not isinstance(answer, Mapping):
        raise KitOpsTaskError("nobody approved it: the task that asks has no answer. Clear that one, and answer it")
    if answer.get("chosen_options") != [ApprovalOperator.APPROVE]:
        raise KitOpsTaskError(f"it was not approved: the answer is {', '.join(answer.get('chosen_options') or ())}")
    if not isinstance(asked, Mapping):
        raise KitOpsTaskError(
            "the approval does not say what was approved: ask with promote_with_approval, or KitApprovalOperator"
        )
    answered = {**asked, **{name: value for name, value in (answer.get("params_input") or {}).items() if name in asked}}
    if answered != planned:
        raise KitOpsTaskError(
            f"what was approved is {_said(answered)}, and what is planned now is {_said(planned)}: nothing was "
            "promoted. Start a new run, which asks about that"
        )


def _said(about: Mapping[str, Any]) -> str:
    if not about:
        return "something else"
    return f"{about.get('kit')} into {about.get('channel')} instead of {about.get('replaces')}"

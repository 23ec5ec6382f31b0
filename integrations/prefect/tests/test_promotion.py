"""Promotion in flow runs: by digest, through gates, one at a time, and undone with its transaction."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from channels import Project
from faults import away, busy, busy_at_first
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.deployments.runner import EntrypointType
from prefect.transactions import atransaction, transaction
from runs import artifacts, events_of

import kitops_core as kitops
from prefect_kitops import (
    ModelKitRef,
    ModelKitRepository,
    apromote_modelkit,
    modelkit_promotion,
    pack_modelkit,
    promote_modelkit,
    rollback_modelkit,
)
from prefect_kitops.approval import PromotionCheck, PromotionCheckError, PromotionSupersededError

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def project(tmp_path: Path, registry: str) -> Project:
    return Project(tmp_path, registry)


def test_a_kit_goes_by_its_digest_though_its_tag_moved_on(project: Project) -> None:
    first = project.pack("1.0.0")
    project.pack("2.0.0")

    @flow
    def release() -> ModelKitRef:
        return promote_modelkit(f"{project.kit}@{first}", to="dev", policy=str(project.policy))

    kit = release()
    assert project.digest("dev") == kit.digest == first
    event = next(e for e in events_of(kit.asset_key, wait_for="kitops.modelkit.promoted") if "promoted" in e["event"])
    assert event["resource"]["kitops.channel"] == "dev"
    assert event["resource"]["kitops.digest"] == first
    assert event["payload"]["record"].startswith("sha256:")
    record = kitops.history("dev", policy=project.policy)[0]
    assert (record.run.orchestrator, record.run.pipeline, record.run.task) == ("prefect", "release", "promote-modelkit")


def test_a_refusal_changes_nothing_and_is_an_event(tmp_path: Path, registry: str) -> None:
    project = Project(tmp_path, registry, dev={}, prod={"from": "dev", "gates": [{"license": {"allow": ["MIT"]}}]})
    project.pack("1.0.0")

    @flow
    def release() -> None:
        promote_modelkit("dev", to="prod", policy=str(project.policy))

    with pytest.raises(kitops.GateRefusedError):
        release()
    assert project.digest("prod") == ""
    refused = "kitops.modelkit.promotion-refused"
    event = next(e for e in events_of(f"oci://{project.kit}", wait_for=refused) if e["event"] == refused)
    assert any(not gate["passed"] for gate in event["payload"]["gates"])


def two_promotions(project: Project) -> tuple[str, str]:
    first = project.pack("1.0.0")
    kitops.promote("dev", "staging", policy=project.policy)
    return first, project.pack("2.0.0")


def test_a_later_step_that_fails_gives_the_channel_back_what_it_had(project: Project) -> None:
    first, second = two_promotions(project)
    seen = []

    @task
    def smoke_test(kit: ModelKitRef) -> None:
        seen.append(project.digest("staging"))
        raise ValueError("no answer")

    @flow
    def release() -> None:
        with transaction():
            smoke_test(promote_modelkit("dev", to="staging", policy=str(project.policy)))

    with pytest.raises(ValueError, match="no answer"):
        release()
    assert seen == [second]
    assert project.digest("staging") == first
    assert [record.action for record in kitops.history("staging", policy=project.policy)] == [
        "rollback",
        "promote",
        "promote",
    ]
    assert any(
        "rolled-back" in e["event"] for e in events_of(f"oci://{project.kit}", wait_for="kitops.modelkit.rolled-back")
    )


def test_an_async_transaction_gives_it_back_too(project: Project) -> None:
    first, _ = two_promotions(project)

    @flow
    async def release() -> None:
        async with atransaction():
            await apromote_modelkit("dev", to="staging", policy=str(project.policy))
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        asyncio.run(release())
    assert project.digest("staging") == first


def names(project: Project) -> list[str]:
    """What was told of promotions, oldest first, once all of it arrived."""
    marker = "kitops.modelkit.promotion-unchanged"
    found = events_of(f"oci://{project.kit}", wait_for=marker)
    return [event["event"].removeprefix("kitops.modelkit.") for event in found if "promot" in event["event"]]


def test_what_is_there_already_is_looked_at_and_not_announced_as_promoted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pack("1.0.0")
    smoke.to_deployment("unneeded", entrypoint_type=EntrypointType.MODULE_PATH).apply()
    first = modelkit_promotion(to="staging", policy=str(project.policy))
    again = modelkit_promotion(
        to="staging", policy=str(project.policy), check=PromotionCheck(deployment="smoke/unneeded", seconds=1)
    )
    assert (first.digest, first.changed, again.changed) == (again.digest, True, False)
    assert names(project) == ["promoted", "promotion-unchanged"]


def test_a_run_that_cannot_be_suspended_says_so_before_it_plans(project: Project) -> None:
    project.pack("1.0.0")

    @flow
    def release() -> ModelKitRef:
        return modelkit_promotion(to="staging", policy=str(project.policy), approval="suspend")

    with pytest.raises(kitops.InvalidInputError, match="is no run of a deployment"):
        modelkit_promotion(to="staging", policy=str(project.policy), approval="suspend")
    with pytest.raises(kitops.InvalidInputError, match="is a subflow, which Prefect cannot suspend"):
        release()
    assert not [card for card in artifacts("markdown") if project.kit in (card["description"] or "")]


def test_an_older_kit_never_takes_the_place_of_a_newer_one(project: Project) -> None:
    versions = [project.pack(f"{number}.0.0") for number in range(4)]
    last = f"{project.kit}@{versions[-1]}"
    modelkit_promotion(to="staging", reference=last, policy=str(project.policy))
    state = modelkit_promotion(
        to="staging", reference=f"{project.kit}@{versions[1]}", policy=str(project.policy), return_state=True
    )
    assert (state.type.value, state.name) == ("COMPLETED", "Superseded")
    assert f"dev moved on from {project.kit}@{versions[1]} to {versions[-1]}" in state.message
    with pytest.raises(PromotionSupersededError, match="dev moved on"):
        promote_modelkit(f"{project.kit}@{versions[2]}", to="staging", policy=str(project.policy), latest=True)
    assert project.digest("staging") == versions[-1]
    assert len(kitops.history("staging", policy=project.policy)) == 1
    older = modelkit_promotion(
        to="staging", reference=f"{project.kit}@{versions[0]}", policy=str(project.policy), latest=False
    )
    assert project.digest("staging") == older.digest == versions[0]


def test_a_promotion_that_loses_the_race_leaves_the_winner(project: Project) -> None:
    first, second = two_promotions(project)
    kitops.promote("dev", "staging", policy=project.policy)

    @flow
    def release() -> None:
        with transaction():
            promote_modelkit(f"{project.kit}@{first}", to="staging", expect=first, policy=str(project.policy))

    with pytest.raises(kitops.LostRaceError):
        release()
    assert project.digest("staging") == second


def test_rolling_back_is_a_task_too(project: Project) -> None:
    first, _ = two_promotions(project)
    kitops.promote("dev", "staging", policy=project.policy)

    @flow
    def undo() -> ModelKitRef:
        return rollback_modelkit("staging", policy=str(project.policy))

    assert undo().digest == project.digest("staging") == first


def test_the_flow_pins_plans_and_promotes_what_is_upstream(project: Project) -> None:
    ModelKitRepository(
        registry=project.kit.partition("/")[0],
        repository=project.kit.partition("/")[2],
        policy=str(project.policy),
    ).save("flow-project", overwrite=True)
    for version, accuracy in (("1.0.0", 0.9), ("2.0.0", 0.95)):
        project.pack(version, provenance=kitops.Provenance(metrics={"accuracy": accuracy}))
        kit = modelkit_promotion(to="staging", registry="flow-project")
    assert project.digest("staging") == project.digest("dev") == kit.digest
    plan = next(card["data"] for card in artifacts("markdown") if f"`{kit.digest}`" in (card["data"] or ""))
    assert plan.startswith(f"**staging** of `{project.kit}:staging`: churn 2.0.0\n")
    assert "| accuracy | 0.95 | 0.9 |" in plan
    assert "| field | `package.version` | `1.0.0` | `2.0.0` |" in plan
    assert "✓" in plan


@flow
def smoke(reference: str) -> None:
    """A check that nobody serves."""


def test_a_check_that_is_not_there_or_never_runs_is_no_pass(project: Project) -> None:
    first, _ = two_promotions(project)
    for name in ("smoke/nowhere", "nowhere"):
        with pytest.raises(kitops.NotFoundError, match=f"no deployment '{name}'"):
            modelkit_promotion(to="staging", policy=str(project.policy), check=PromotionCheck(deployment=name))
    assert len(kitops.history("staging", policy=project.policy)) == 1
    smoke.to_deployment("never", entrypoint_type=EntrypointType.MODULE_PATH).apply()
    with pytest.raises(PromotionCheckError, match=r"smoke/never of .* ended as \w+ after 1 s"):
        modelkit_promotion(
            to="staging", policy=str(project.policy), check=PromotionCheck(deployment="smoke/never", seconds=1)
        )
    assert project.digest("staging") == first


def test_a_prefect_server_that_is_busy_does_not_stop_a_promotion(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = two_promotions(project)
    refused = busy_at_first(monkeypatch)
    kit = modelkit_promotion(to="staging", policy=str(project.policy))
    assert project.digest("staging") == kit.digest == second
    assert {"set_state", "increment-with-lease"} <= {path.rpartition("/")[2] for _, path in refused}
    monkeypatch.undo()
    assert events_of(kit.asset_key, wait_for="kitops.modelkit.promoted")[-1]["resource"]["kitops.digest"] == second


def test_a_rejected_promotion_that_is_retried_asks_again(project: Project) -> None:
    _, second = two_promotions(project)
    retried = modelkit_promotion.with_options(retries=2, retry_delay_seconds=0)  # being resumed counts as one

    def answer(number: int, **given: str) -> None:
        """Answer the question of this number, once the run waits for it."""
        deadline = time.monotonic() + 60
        with get_client(sync_client=True) as client:
            while time.monotonic() < deadline:
                for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(name={"like_": "promote to staging"})):
                    asked = client.filter_flow_run_input(run.id, "paused-approval-", limit=10, exclude_keys=set())
                    questions = [item for item in asked if item.key.endswith("-description")]
                    mine = any(second in str(item.value) for item in questions)
                    if mine and len(questions) == number and run.state and run.state.is_paused():
                        assert client.resume_flow_run(run.id, run_input=given).status.value == "ACCEPT"
                        return
                time.sleep(0.5)
        pytest.fail(f"question {number} was not asked")

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(retried, to="staging", policy=str(project.policy), approval="pause", approval_seconds=120)
        answer(1, decision="reject", approver="dana")
        answer(2, decision="approve", approver="kim")
        assert done.result(120).digest == project.digest("staging") == second
    assert kitops.history("staging", policy=project.policy)[0].actor == "kim"


def test_a_prefect_server_that_is_restarted_does_not_stop_a_task(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = two_promotions(project)
    host, _, name = project.kit.partition("/")
    block = f"restarted-{name.rpartition('-')[2]}"
    ModelKitRepository(registry=host, repository=name, policy=str(project.policy)).save(block)

    @flow
    def release() -> tuple[ModelKitRef, ModelKitRef]:
        away(monkeypatch)
        promoted = promote_modelkit("dev", to="staging", registry=block)
        away(monkeypatch)
        return promoted, pack_modelkit(project.root / "bundle", "again", registry=block)

    promoted, packed = release()
    assert project.digest("staging") == promoted.digest == packed.digest == second


def test_runs_that_move_one_channel_wait_for_each_other(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect_kitops.locks import modelkit_lock

    _, second = two_promotions(project)
    asked = threading.Event()

    def watch(request: httpx.Request) -> bool:
        if request.url.path.endswith("increment-with-lease"):
            asked.set()
        return False

    with ThreadPoolExecutor(1) as pool:
        with modelkit_lock(f"{project.kit}:staging"):
            busy(monkeypatch, watch)
            later = pool.submit(modelkit_promotion, to="staging", policy=str(project.policy))
            assert asked.wait(120)
            assert project.digest("staging") != second
        assert later.result(120).digest == project.digest("staging") == second

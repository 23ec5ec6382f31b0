"""A real Prefect server on SQLite with served deployments, and a real registry: the whole way of a kit."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from channels import Project
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

sys.path.append(str(Path(__file__).parents[1] / "demo"))

from live import Live, live_prefect

import kitops_core as kitops

HERE = Path(__file__).parent
RUN_SECONDS = 600
"""How long a run may take: each is a process of its own, and a machine may have much else to do."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
T = TypeVar("T")


class Served:
    """The server, through the client that flows talk to it with: what it is too busy for is asked again."""

    def __init__(self, live: Live, api: SyncPrefectClient, pushed: Project) -> None:
        self.live = live
        self.api = api
        self.pushed = pushed
        self.environment = {"TEST_KIT": pushed.kit, "TEST_POLICY": str(pushed.policy)}

    def push(self, *pairs: str) -> list[str]:
        bundles = {"TEST_BUNDLES": str(self.pushed.root / "bundles")}
        return self.live.run(HERE / "live_push.py", *pairs, **self.environment, **bundles).split()

    def deployment(self, name: str) -> uuid.UUID:
        return self.api.read_deployment_by_name(name).id

    def is_served(self, name: str) -> bool:
        try:
            return self.deployment(name) is not None
        except ObjectNotFound:
            return False

    def start(self, name: str, **parameters: Any) -> uuid.UUID:
        # Where the answer to a request got lost, the same key asks for the same run.
        key = uuid.uuid4().hex
        run = self.api.create_flow_run_from_deployment(
            self.deployment(name), parameters=parameters, idempotency_key=key
        )
        return run.id

    def runs(self, name: str) -> list[FlowRun]:
        return self.api.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [self.deployment(name)]}))

    def until(self, run: uuid.UUID, state: str) -> str:
        """The message of the run's state, once it ended in this state."""

        def ended() -> str | None:
            found = self.api.read_flow_run(run).state
            if found is None or not found.is_final():
                return None
            assert found.name == state, f"{found}\n{self.live.log('serve')[-6000:]}"
            return found.message or ""

        return self.wait(ended, f"run {run} is not {state}")

    def wait(self, condition: Callable[[], T | None], problem: str) -> T:
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            found = condition()
            if found is not None and found is not False:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"{problem}:\n{self.live.log('serve')[-6000:]}")
            time.sleep(1)

    def waits(self, run: uuid.UUID) -> bool:
        """Whether the run waits for a person."""
        state = self.api.read_flow_run(run).state
        return state is not None and state.is_paused()

    def question(self, run: uuid.UUID, kind: str, about: str, times: int = 1) -> str:
        """What the run asks about a digest, once it asks it for that many times and can take an answer."""

        def there() -> str | None:
            asked = self.api.filter_flow_run_input(run, f"{kind}-approval-", limit=100, exclude_keys=set())
            shown = [str(found.value) for found in asked if found.key.endswith("-description")]
            about_it = [text for text in shown if f"| candidate | `{about}` |" in text]
            return about_it[0] if len(about_it) >= times and self.waits(run) else None

        return self.wait(there, f"run {run} asks nothing about {about}")

    def failed_processes(self) -> int:
        """How many processes of runs ended with an error so far; the state of the run comes a little before."""
        return self.live.log("serve").count("Process exited with status code: 1.")

    def retry(self, run: uuid.UUID) -> None:
        """What the button of Prefect's UI asks the server for."""
        state = Scheduled(name="AwaitingRetry", message="Retry from the UI")
        assert self.api.set_flow_run_state(run, state, force=False).status.value == "ACCEPT"

    def answer(self, run: uuid.UUID, **answer: str) -> str:
        """Answer the run, and return whether the server took the answer."""
        return self.api.resume_flow_run(run, run_input=answer).status.value


@pytest.fixture(scope="module")
def served(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("live")
    with live_prefect(root / "server") as live, SyncPrefectClient(live.url) as api:
        served = Served(live, api, Project(root / "pushed", registry))
        live.start("serve", sys.executable, str(HERE / "live_deployments.py"), **served.environment)
        served.wait(lambda: served.is_served("check/smoke"), "nothing is served")
        yield served


@pytest.fixture
def project(registry: str, tmp_path: Path) -> Project:
    """Channels of this test alone: version 1.0.0 is in ``prod``, 2.0.0 in ``staging``."""
    project = Project(tmp_path / "project", registry, dev={}, staging={"from": "dev"}, prod={"from": "staging"})
    project.pack("1.0.0")
    for channel in ("staging", "prod"):
        kitops.promote(f"{project.kit}:dev", channel, policy=project.policy)
    project.pack("2.0.0")
    kitops.promote("dev", "staging", policy=project.policy)
    return project


def test_a_push_starts_the_promotion_of_its_digest_and_another_tag_starts_nothing(served: Served) -> None:
    feature, dev = served.push("feature:0.1.0", "dev:1.0.0")
    [run] = served.wait(lambda: served.runs("modelkit-promotion/on-push") or None, "the push started nothing")
    assert run.parameters["reference"] == f"{served.pushed.kit}:dev@{dev}"
    served.until(run.id, "Completed")
    assert served.pushed.digest("staging") == dev != feature
    assert len(served.runs("modelkit-promotion/on-push")) == 1


def test_twenty_pushes_in_a_row_end_on_the_last_and_never_go_back(served: Served) -> None:
    begun = len(served.runs("modelkit-promotion/on-push"))
    digests = served.push(*[f"dev:2.{number}.0" for number in range(20)])

    def ended() -> list[FlowRun] | None:
        runs = served.runs("modelkit-promotion/on-push")
        final = [run for run in runs if run.state and run.state.is_final()]
        return runs if len(final) == len(runs) == begun + len(digests) else None

    runs = served.wait(ended, "not every push started a promotion that ended")
    assert {run.state.name for run in runs if run.state} <= {"Completed", "Superseded"}
    assert served.pushed.digest("staging") == digests[-1]
    moved = [digests.index(record.digest) for record in kitops.history("staging", policy=served.pushed.policy)[:-1]]
    assert moved == sorted(moved, reverse=True)
    record = kitops.history("staging", policy=served.pushed.policy)[0]
    assert record.actor == f"automation 'ModelKit pushed: {served.pushed.kit}:dev'"
    assert (record.run.pipeline, record.run.deployment) == ("modelkit-promotion", "on-push")


def test_what_a_person_approves_is_what_is_promoted(served: Served, project: Project) -> None:
    before, planned = project.digest("prod"), project.digest("staging")
    run = served.start("modelkit-promotion/to-prod", policy=str(project.policy), approval="suspend")
    description = served.question(run, "suspended", planned)
    assert f"| now | `{before}` |" in description
    assert "## Gates" in description
    assert "| field | `package.version` | `1.0.0` | `2.0.0` |" in description
    project.pack("3.0.0")
    kitops.promote("dev", "staging", policy=project.policy)  # while the person thinks about it
    assert served.answer(run, decision="approve", approver="dana", note="looks right") == "ACCEPT"
    served.until(run, "Completed")
    assert project.digest("prod") == planned != project.digest("staging")
    record = kitops.history("prod", policy=project.policy)[0]
    assert (record.actor, record.note, record.run.run) == ("dana", "looks right", str(run))


def test_an_approval_is_of_one_digest_also_where_the_plan_of_before_got_lost(served: Served, project: Project) -> None:
    before, planned = project.digest("prod"), project.digest("staging")
    run = served.start("modelkit-promotion/to-prod", policy=str(project.policy), approval="suspend")
    served.question(run, "suspended", planned)
    project.pack("3.0.0")
    kitops.promote("dev", "staging", policy=project.policy)
    shutil.rmtree(served.live.root / "results")  # as on a worker whose disk is new for every run
    assert served.answer(run, decision="approve", approver="dana") == "ACCEPT"
    served.question(run, "suspended", project.digest("staging"))
    assert project.digest("prod") == before
    assert served.answer(run, decision="approve", approver="dana") == "ACCEPT"
    served.until(run, "Completed")
    assert project.digest("prod") == project.digest("staging") != planned


def test_what_a_person_rejects_changes_nothing(served: Served, project: Project) -> None:
    before = project.digest("prod")
    run = served.start("modelkit-promotion/to-prod", policy=str(project.policy), approval="pause")
    served.question(run, "paused", project.digest("staging"))
    assert served.answer(run, decision="maybe") == "REJECT"
    assert served.answer(run, decision="reject", approver="dana", note="not on a Friday") == "ACCEPT"
    assert "not on a Friday" in served.until(run, "Failed")
    assert project.digest("prod") == before


def test_a_rejected_run_that_is_retried_in_the_ui_asks_again(served: Served, project: Project) -> None:
    planned = project.digest("staging")
    run = served.start("modelkit-promotion/to-prod", policy=str(project.policy), approval="suspend")
    served.question(run, "suspended", planned)
    before = served.failed_processes()
    assert served.answer(run, decision="reject", approver="dana", note="too early") == "ACCEPT"
    assert "too early" in served.until(run, "Failed")
    # Prefect takes a run that is to be retried for crashed where its process has not ended yet.
    served.wait(lambda: served.failed_processes() > before, "the process of the rejected run did not end")
    served.retry(run)
    served.question(run, "suspended", planned, times=2)
    assert project.digest("prod") != planned
    assert served.answer(run, decision="approve", approver="dana", note="now") == "ACCEPT"
    served.until(run, "Completed")
    assert project.digest("prod") == planned
    assert kitops.history("prod", policy=project.policy)[0].note == "now"


def test_a_run_that_waits_for_a_person_leaves_its_concurrency_slot_to_others(served: Served, project: Project) -> None:
    planned = project.digest("staging")
    name, policy = "modelkit-promotion/one-at-a-time", str(project.policy)
    paused = served.start(name, policy=policy, approval="pause")  # Prefect would end it while the person thinks
    assert "Prefect ends a run of such a one" in served.until(paused, "Failed")
    asks = served.start(name, policy=policy, approval="suspend")
    served.question(asks, "suspended", planned)
    served.until(served.start(name, policy=policy), "Completed")
    assert served.waits(asks)
    assert project.digest("prod") == planned
    # What was asked about moved meanwhile: the answer counts for nothing any more.
    assert served.answer(asks, decision="approve", approver="dana") == "ACCEPT"
    served.until(asks, "Failed")


def test_a_check_that_fails_gives_the_channel_back_what_it_had(served: Served, project: Project) -> None:
    before = project.digest("prod")
    project.pack("bad-3.0.0")
    kitops.promote("dev", "staging", policy=project.policy)
    run = served.start("modelkit-promotion/to-prod", policy=str(project.policy), check={"deployment": "check/smoke"})
    assert "smoke" in served.until(run, "Failed")
    assert project.digest("prod") == before
    actions = [record.action for record in kitops.history("prod", policy=project.policy)]
    assert actions == ["rollback", "promote", "promote"]

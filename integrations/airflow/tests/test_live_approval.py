"""Only what a person approved is promoted, however tasks are cleared: on a real Airflow, here without a triggerer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dag_runs import AIRFLOW_V_3_3_PLUS
from live_airflow import LiveAirflow, live_airflow

import kitops_core as kitops

pytestmark = [
    pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 an approval waits in a triggerer"),
    pytest.mark.timeout(600),
]
DAG, PLAN, APPROVE, PROMOTE = "asks", *(f"promote_to_prod.{task}" for task in ("plan", "approve", "promote"))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    home = tmp_path_factory.mktemp("approvals")
    extra = {"HOME": str(home), "KITOPS_HOME": str(home / "kits")}
    with live_airflow(home, Path(__file__).parent / "live_approval", extra) as running:
        running.stop("triggerer")
        yield running


class Release:
    """A kit of its own with a channel ``prod``, and a run that asks whether to promote into it."""

    def __init__(self, airflow: LiveAirflow, kit: str, directory: Path) -> None:
        self.airflow, self.kit, self.directory = airflow, kit, directory
        self.policy = directory / "promotion.yaml"
        self.policy.write_text(f"kit: {kit}\nchannels: {{dev: {{}}, prod: {{from: dev}}}}\n")
        self.first = self.push("first")
        self.run = self.start()

    def push(self, weights: str, tag: str = "dev") -> str:
        (self.directory / "model.bin").write_text(weights)
        source = kitops.Contents(name="churn", model=self.directory / "model.bin")
        return kitops.pack(source, f"{self.kit}:{tag}", push=True).digest

    def start(self) -> str:
        return self.airflow.trigger(DAG, policy=str(self.policy))

    def answer(self, times: int = 1, *, answer: str = "Approve", **shown: str) -> str:
        return str(self.airflow.approve(DAG, self.run, APPROVE, times, answer=answer, **shown)["body"])

    def clear(self, *tasks: str) -> None:
        self.airflow.clear(DAG, self.run, *tasks)

    def tries(self, task: str) -> tuple[str, int]:
        """The state of a task, and how often it was tried."""
        found = self.airflow.task(DAG, self.run, task)
        return found["state"], found["try_number"]

    def ends(self) -> dict[str, str]:
        """The state of each task once the run is over."""
        self.airflow.run_state(DAG, self.run)
        return {task: self.tries(task)[0] for task in (PLAN, APPROVE, PROMOTE)}

    def ends_without_promoting(self, task: str, saying: str) -> None:
        before = self.in_prod()
        assert self.ends()[task] == "failed"
        assert saying in self.airflow.said(DAG, self.run, task)
        assert self.in_prod() == before

    def in_prod(self) -> str:
        try:
            return kitops.resolve(f"{self.kit}:prod")
        except kitops.NotFoundError:
            return ""


@pytest.fixture
def release(airflow: LiveAirflow, registry: str, tmp_path: Path, request: pytest.FixtureRequest) -> Release:
    return Release(airflow, f"{registry}/approvals/{abs(hash(request.node.name))}", tmp_path)


def test_a_group_that_is_cleared_never_asks_about_what_was_planned_before(release: Release) -> None:
    """Whether the first question was answered with no, or not at all."""
    assert release.first in release.answer(answer="Reject")
    assert release.ends()[PROMOTE] == "skipped"

    release.clear(PLAN, APPROVE, PROMOTE)  # nothing else is planned: the same question, which may be answered anew
    release.airflow.asked(DAG, release.run, APPROVE, times=2)
    second = release.push("second")
    release.clear(PLAN, APPROVE, PROMOTE)
    release.ends_without_promoting(APPROVE, f"what is planned now is {release.kit}@{second}")

    release.run = release.start()
    assert second in release.answer()
    assert release.ends()[PROMOTE] == "success"
    assert release.in_prod() == second


def test_an_approval_that_is_cleared_asks_about_what_is_still_planned_and_that_is_promoted(release: Release) -> None:
    release.answer(answer="Reject")
    release.ends()
    release.push("second")
    release.clear(APPROVE, PROMOTE)
    assert release.first in release.answer(times=2)
    assert set(release.ends().values()) == {"success"}
    assert release.in_prod() == release.first

    release.clear(APPROVE, PROMOTE)  # and once more where the channel has it already: nothing is to be done
    assert release.first in release.answer(times=3)
    assert set(release.ends().values()) == {"success"}
    assert release.airflow.xcom(DAG, release.run, PROMOTE)["changed"] is False


def test_an_answer_to_the_plan_before_promotes_nothing(release: Release) -> None:
    release.airflow.asked(DAG, release.run, APPROVE)
    second = release.push("second")
    release.clear(PLAN)  # while the question waits
    release.airflow.until(lambda: release.tries(PLAN) == ("success", 2), "another kit is planned")
    assert release.airflow.xcom(DAG, release.run, PLAN)["digest"] == second
    assert release.first in release.answer()
    release.ends_without_promoting(PROMOTE, f"what was approved is {release.kit}@{release.first}")
    release.clear(PROMOTE)
    release.ends_without_promoting(PROMOTE, f"what was approved is {release.kit}@{release.first}")


def test_a_promotion_that_is_cleared_does_what_was_approved_or_nothing(release: Release) -> None:
    release.answer()
    assert set(release.ends().values()) == {"success"}
    release.clear(PROMOTE)
    assert set(release.ends().values()) == {"success"}
    assert release.in_prod() == release.first
    other = release.push("other", tag="prod")  # by somebody else
    release.clear(PROMOTE)
    release.ends_without_promoting(PROMOTE, "KitOpsLostRaceError")
    assert release.in_prod() == other


def test_no_answer_and_that_of_a_page_which_showed_another_kit_promote_nothing(release: Release) -> None:
    another = f"{release.kit}@sha256:{'a' * 64}"
    release.answer(kit=another, channel=f"{release.kit}:prod", replaces="absent")
    release.ends_without_promoting(PROMOTE, f"what was approved is {another}")

    release.clear(APPROVE, PROMOTE)
    release.airflow.asked(DAG, release.run, APPROVE, times=2)
    path = f"/dags/{DAG}/dagRuns/{release.run}/taskInstances/{APPROVE}"
    release.airflow.call("PATCH", path, {"new_state": "success"})  # by hand
    release.ends_without_promoting(PROMOTE, "nobody approved it")

"""A real Prefect server on SQLite with served deployments, and a real registry: the whole way of a kit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from channels import Project

sys.path.append(str(Path(__file__).parents[1] / "demo"))

from live import Live, live_prefect

import kitops_core as kitops

HERE = Path(__file__).parent
RUN_SECONDS = 240
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Served:
    """The server's REST API, and the project whose channels its deployments move."""

    def __init__(self, live: Live, project: Project) -> None:
        self.live = live
        self.project = project
        self.environment = {
            "TEST_KIT": project.kit,
            "TEST_POLICY": str(project.policy),
            "TEST_BUNDLES": str(project.root / "bundles"),
        }
        self.api = httpx.Client(base_url=live.url, timeout=60)

    def push(self, *pairs: str) -> list[str]:
        return self.live.run(HERE / "live_push.py", *pairs, **self.environment).split()

    def deployment(self, name: str) -> str:
        return str(self.api.get(f"/deployments/name/{name}").raise_for_status().json()["id"])

    def start(self, name: str, **parameters: Any) -> str:
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        url = f"/deployments/{self.deployment(name)}/create_flow_run"
        return str(self.api.post(url, json=body).raise_for_status().json()["id"])

    def runs(self, name: str) -> list[dict[str, Any]]:
        body = {"deployments": {"id": {"any_": [self.deployment(name)]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return list(self.api.post("/flow_runs/filter", json=body).raise_for_status().json())

    def until(self, run: str, *states: str) -> dict[str, Any]:
        """The run once it is in one of these states."""

        def there() -> dict[str, Any] | None:
            found = self.api.get(f"/flow_runs/{run}").json()
            return found if found["state"]["name"] in states else None

        return self.wait(there, f"run {run} is not {' or '.join(states)}")

    def wait(self, condition: Callable[[], Any], problem: str) -> Any:
        deadline = time.monotonic() + RUN_SECONDS
        while not (found := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"{problem}:\n{self.live.log('serve')[-6000:]}")
            time.sleep(0.5)
        return found

    def question(self, run: str, kind: str) -> str:
        """What the run asks, once it asks and can take an answer: the state comes first, then the question."""
        url = f"/flow_runs/{run}/input/{kind}-approval-"

        def there() -> str | None:
            found = self.api.get(url + "description")
            return str(found.json()) if found.status_code == 200 else None

        return str(self.wait(there, f"run {run} asks nothing"))

    def resume(self, run: str, **answer: str) -> dict[str, Any]:
        return dict(self.api.post(f"/flow_runs/{run}/resume", json={"run_input": answer}).raise_for_status().json())


@pytest.fixture(scope="module")
def served(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("live")
    project = Project(root / "project", registry, dev={}, staging={"from": "dev"}, prod={"from": "staging"})
    with live_prefect(root / "server") as live:
        served = Served(live, project)
        live.start("serve", sys.executable, str(HERE / "live_deployments.py"), **served.environment)
        served.wait(lambda: served.api.get("/deployments/name/check/smoke").status_code == 200, "nothing is served")
        yield served


def test_a_push_starts_the_promotion_of_its_digest_and_another_tag_starts_nothing(served: Served) -> None:
    feature, dev = served.push("feature:0.1.0", "dev:1.0.0")
    run = served.wait(lambda: served.runs("modelkit-promotion/on-push"), "the push started nothing")[0]
    assert run["parameters"]["reference"] == f"{served.project.kit}:dev@{dev}"
    served.until(run["id"], "Completed")
    assert served.project.digest("staging") == dev != feature
    assert len(served.runs("modelkit-promotion/on-push")) == 1


def test_an_approval_over_the_api_resumes_the_promotion(served: Served) -> None:
    staging = served.project.digest("staging")
    run = served.start("modelkit-promotion/to-prod", approval="pause")
    description = served.question(run, "paused")
    assert staging in description
    assert "## Gates" in description
    assert served.resume(run, decision="maybe")["status"] == "REJECT"
    assert served.project.digest("prod") == ""
    assert served.resume(run, decision="approve", approver="dana", note="looks right")["status"] == "ACCEPT"
    served.until(run, "Completed")
    assert served.project.digest("prod") == staging
    record = kitops.history("prod", channels=served.project.policy)[0]
    assert (record.actor, record.note, record.run.run) == ("dana", "looks right", run)


def test_a_check_that_fails_gives_the_channel_back_what_it_had(served: Served) -> None:
    before = served.project.digest("prod")
    served.project.pack("bad-2.0.0")
    kitops.promote("dev", "staging", channels=served.project.policy)
    run = served.start("modelkit-promotion/to-prod", check="check/smoke")
    assert "smoke" in served.until(run, "Failed")["state"]["message"]
    assert served.project.digest("prod") == before
    assert [record.action for record in kitops.history("prod", channels=served.project.policy)] == [
        "rollback",
        "promote",
        "promote",
    ]


def test_a_suspended_run_that_is_rejected_changes_nothing(served: Served) -> None:
    before = served.project.digest("prod")
    run = served.start("modelkit-promotion/to-prod", approval="suspend")
    served.question(run, "suspended")
    assert served.resume(run, decision="reject", approver="dana", note="not on a Friday")["status"] == "ACCEPT"
    assert "not on a Friday" in served.until(run, "Failed")["state"]["message"]
    assert served.project.digest("prod") == before

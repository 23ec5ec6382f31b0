"""A whole Airflow of its own: api-server, scheduler and triggerer on SQLite, driven over REST."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from registry_fixture import free_port

T = TypeVar("T")
PATIENCE_SECONDS = 240.0
"""How long anything is waited for: the machine may be busy with other work."""


class LiveAirflow:
    """The running Airflow.

    Args:
        home: AIRFLOW_HOME.
        dags: The directory of the DAG files.
        extra: More environment variables.
    """

    def __init__(self, home: Path, dags: Path, extra: Mapping[str, str]) -> None:
        port = free_port()
        self.home = home
        self.logs = [home / "logs"]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__API__HOST": "127.0.0.1",  # by default it listens on all interfaces
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-the-tests-only-" * 4,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__TRIGGERER__TRIGGERER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **extra,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = ""

    def command(self, *arguments: str) -> str:
        """Run an ``airflow`` command to its end; gives what it printed."""
        done = subprocess.run(
            ["airflow", *arguments], env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *names: str) -> None:
        """Start components, each with a log of its own."""
        for name in names:
            with (self.home / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    ["airflow", name], env=self.environment, stdout=log, stderr=log, start_new_session=True
                )

    def stop(self, *names: str) -> None:
        """Stop components, all if none is named."""
        ended = {name: self._processes.pop(name) for name in names or tuple(self._processes)}
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in ended.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            for process in ended.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)

    def log(self, name: str) -> str:
        """What a component has logged."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def until(self, what: Callable[[], T | None], doing: str) -> T:
        """Ask again until there is an answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    pytest.fail(f"the {name} ended while {doing}: {self.log(name)[-3000:]}", pytrace=False)
            found = what()
            if found:
                return found
            time.sleep(0.25)
        pytest.fail(f"waited in vain, {doing}; scheduler: {self.log('scheduler')[-3000:]}", pytrace=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API, again where it fails for a moment, as it does beside a busy SQLite."""
        for attempt in range(8):
            try:
                return self._call(method, path, body)
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace")
                if error.code == 401:
                    self._token = ""
                elif error.code < 500 or attempt == 7:
                    pytest.fail(f"{method} {path}: {error.code} {text[:1000]}", pytrace=False)
            except OSError:
                if attempt == 7:
                    raise
            time.sleep(0.5 * (attempt + 1))
        raise AssertionError("unreachable")

    def healthy(self) -> bool:
        """Whether the api-server answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def trigger(self, dag_id: str, partition: str | None = None, **conf: Any) -> str:
        """Start a run, perhaps that of a partition; gives its id."""
        asked = {"logical_date": None, "partition_key": partition, "conf": conf}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", asked)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, oldest first."""
        return list(self.call("GET", f"/dags/{dag_id}/dagRuns?order_by=run_after")["dag_runs"])

    def finished(self, dag_id: str, count: int) -> list[dict[str, Any]]:
        """The runs of a DAG once there are so many, and all are over."""

        def look() -> list[dict[str, Any]] | None:
            runs = self.runs(dag_id)
            over = len(runs) >= count and all(run["state"] in ("success", "failed") for run in runs)
            return runs if over else None

        return self.until(look, f"{count} runs of {dag_id}")

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state that a run ended in."""

        def look() -> str | None:
            state = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            return state if state in ("success", "failed") else None

        return self.until(look, f"{dag_id} {run_id}")

    def parked(self, dag_id: str, run_id: str, task_id: str, times: int = 1) -> None:
        """Wait until the scheduler has noted that a task parked, in this try, before anything wakes the task again.

        One that runs again before the scheduler has heard of its first exit is taken for failed: Airflow's scheduler
        looks out for that only while the task is scheduled, not once it runs.
        """
        exited = f"TaskInstanceKey(dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}', try_number={times}"

        def noted() -> bool:
            lines = self.log("scheduler").splitlines()
            return any("Received executor event" in line and exited in line for line in lines)

        self.until(noted, f"the scheduler notes that {dag_id}.{task_id} parked")

    def asked(self, dag_id: str, run_id: str, task_id: str, times: int = 1) -> dict[str, Any]:
        """What a task asks a person, once it does, and does for that many times."""

        def asks() -> bool:
            now = self.task(dag_id, run_id, task_id)
            return now["state"] in ("awaiting_input", "deferred") and now["try_number"] == times

        self.until(asks, "it asks")
        return dict(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"))

    def approve(
        self, dag_id: str, run_id: str, task_id: str, times: int = 1, *, answer: str = "Approve", **shown: str
    ) -> dict[str, Any]:
        """Answer it, perhaps with what a page showed as parameters; gives what was asked."""
        asked = self.asked(dag_id, run_id, task_id, times)
        self.parked(dag_id, run_id, task_id, times)
        ask = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self.call("PATCH", ask, {"chosen_options": [answer], "params_input": shown})
        return asked

    def clear(self, dag_id: str, run_id: str, *tasks: str) -> None:
        """Have tasks of a run done once more."""
        asked = {"dag_run_id": run_id, "task_ids": tasks, "only_failed": False, "reset_dag_runs": True}
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", {"dry_run": False, **asked})

    def succeed(self, dag_id: str, run_id: str) -> None:
        """Wait for a run, which must end well; where it does not, its tasks' logs say why."""
        if self.run_state(dag_id, run_id) != "success":
            places = (root / f"dag_id={dag_id}" / f"run_id={run_id}" for root in self.logs)
            logs = [path for place in places for path in sorted(place.rglob("*.log"))]
            text = "\n".join(f"{path}:\n{path.read_text(errors='replace')[-3000:]}" for path in logs)
            pytest.fail(f"{dag_id} {run_id} failed\n{text}", pytrace=False)

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """A task instance."""
        return dict(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"))

    def said(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The logs of all tries of a task."""
        places = (root / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}" for root in self.logs)
        return "".join(log.read_text(errors="replace") for place in places for log in sorted(place.rglob("*.log")))

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        return self.call("GET", path)["value"]

    def _call(self, method: str, path: str, body: Any) -> Any:
        if not self._token:
            with urllib.request.urlopen(f"{self.url}/auth/token", timeout=30) as answer:
                self._token = json.load(answer)["access_token"]
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v2{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None


@contextlib.contextmanager
def live_airflow(home: Path, dags: Path, extra: Mapping[str, str]) -> Iterator[LiveAirflow]:
    """Run an Airflow until the block ends."""
    airflow = LiveAirflow(home, dags, extra)
    try:
        airflow.command("db", "migrate")  # nothing may start before the database is there
        airflow.start("api-server")
        airflow.command("dags", "reserialize")  # in place of a DAG processor
        airflow.start("scheduler", "triggerer")
        airflow.until(airflow.healthy, "the api-server comes up")
        yield airflow
    finally:
        airflow.stop()

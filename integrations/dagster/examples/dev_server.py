"""``dagster dev`` on a home of its own, driven over GraphQL as its pages do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STARTING_SECONDS = 400  # on a machine that does other things as well
RUNNING_SECONDS = 400

LAUNCH = """mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
ASSETS = """query ($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) { assetKey { path } staleStatus dataVersion
    assetMaterializations(limit: 50) { runId metadataEntries { __typename label ... on TextMetadataEntry { text } } } }
}"""
TICKS = """query ($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState { ticks(limit: 20) { timestamp status } } } }
}"""


class DevServerError(Exception):
    """The server did not do what it was asked to."""


class DevServer:
    """A running ``dagster dev``.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path, location: str) -> None:
        self.url = url
        self._process, self._log, self._location = process, log, location

    def query(self, text: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Ask the server; what GraphQL calls ``data``."""
        body = json.dumps({"query": text, "variables": variables or {}}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310  our own server
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            answer = json.load(response)
        if "errors" in answer:
            raise DevServerError(str(answer["errors"]))
        return answer["data"]

    def launch(
        self, *keys: str, checks: Sequence[tuple[str, str]] = (), config: Mapping[str, Any] | None = None
    ) -> str:
        """Materialize assets and run checks, given as asset and name; waits, and returns how the run ended."""
        selector = {
            **self._selector("__ASSET_JOB"),
            "assetSelection": [{"path": key.split("/")} for key in keys],
            "assetCheckSelection": [{"assetKey": {"path": key.split("/")}, "name": name} for key, name in checks],
        }
        return self._launched({"selector": selector, "runConfigData": config or {}})

    def run_job(self, name: str) -> str:
        """Run a job; waits, and returns how the run ended."""
        return self._launched({"selector": self._selector(name), "runConfigData": {}})

    def _launched(self, params: Mapping[str, Any]) -> str:
        answer = self.query(LAUNCH, {"params": params})["launchPipelineExecution"]
        if "run" not in answer:
            raise DevServerError(str(answer))
        return self.finished(answer["run"]["runId"])

    def finished(self, run: str) -> str:
        """Wait for a run; returns how it ended."""
        ask = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

        def status() -> str:
            found: str = self.query(ask, {"id": run})["runOrError"]["status"]
            return found if found in ("SUCCESS", "FAILURE", "CANCELED") else ""

        return self.wait_for(status, f"run {run}")

    def backfill(self, key: str, partitions: Sequence[str]) -> None:
        """Backfill partitions of an asset, and wait until it is done."""
        params = {"assetSelection": [{"path": key.split("/")}], "partitionNames": list(partitions)}
        backfill = self.query(BACKFILL, {"params": params})["launchPartitionBackfill"]["backfillId"]
        ask = (
            "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
        )

        def completed() -> bool:
            status = self.query(ask, {"id": backfill})["partitionBackfillOrError"]["status"]
            if "FAIL" in status:
                raise DevServerError(f"backfill {backfill} ended with {status}")
            return str(status).startswith("COMPLETED")

        self.wait_for(completed, f"backfill {backfill}")

    def assets(self, *keys: str) -> dict[str, dict[str, Any]]:
        """What the pages say of assets, by key: stale status, data version, materializations."""
        nodes = self.query(ASSETS, {"keys": [{"path": key.split("/")} for key in keys]})["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): node for node in nodes}

    def let_tick(self, sensor: str, times: int = 2) -> None:
        """Wait until a sensor has looked so many times from now on."""
        selector = {**self._selector(""), "sensorName": sensor}
        del selector["jobName"]
        begun = time.time()

        def looked() -> bool:
            ticks = self.query(TICKS, {"selector": selector})["sensorOrError"]["sensorState"]["ticks"]
            ended = [tick for tick in ticks if tick["timestamp"] > begun and tick["status"] != "STARTED"]
            return len(ended) >= times

        self.wait_for(looked, f"{times} ticks of sensor {sensor}")

    def wait_for(self, ready: Callable[[], Any], what: str, seconds: float = RUNNING_SECONDS) -> Any:
        """What ``ready`` returns as soon as that is true."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = ready()
            if found:
                return found
            if self._process.poll() is not None:
                break
            time.sleep(0.5)
        raise DevServerError(f"{what}: nothing after {seconds} s\n{self._log.read_text()[-3000:]}")

    def _selector(self, job: str) -> dict[str, str]:
        return {
            "repositoryLocationName": self._location,
            "repositoryName": "__repository__",
            "jobName": job,
        }


@contextmanager
def dev_server(definitions: Path, home: Path, env: Mapping[str, str]) -> Iterator[DevServer]:
    """Run ``dagster dev`` until the block ends.

    Args:
        definitions: The file with the definitions.
        home: Its home directory, made here.
        env: Further environment variables.
    """
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    port, log = _free_port(), home / "dev.log"
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-f", str(definitions), "-d", str(home)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
            cwd=home,
            env={**os.environ, "DAGSTER_HOME": str(home), **env},
            start_new_session=True,
        )
    server = DevServer(f"http://127.0.0.1:{port}", process, log, definitions.name)
    try:
        server.wait_for(lambda: loaded(server), "dagster dev", STARTING_SECONDS)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def loaded(server: DevServer) -> bool:
    """Whether a server answers and has loaded all code locations."""
    try:
        answer = server.query("{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    entries = answer["workspaceOrError"]["locationEntries"]
    return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

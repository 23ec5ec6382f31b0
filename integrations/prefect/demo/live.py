"""A Prefect server on SQLite and a process that serves deployments, both in a directory of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 300
"""How long a server may take to come up: a laptop needs ten seconds, a loaded machine minutes."""


@dataclass
class Live:
    """A running Prefect.

    Attributes:
        root: Its directory, with the log of each process.
        url: Its API's address.
        processes: What runs, in the order it was started.
    """

    root: Path
    url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to talk to this Prefect and no other."""
        home = {"PREFECT_HOME": str(self.root / "prefect"), "PREFECT_LOCAL_STORAGE_PATH": str(self.root / "results")}
        quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "INFO"}
        return {**os.environ, **home, **quiet, "PREFECT_API_URL": self.url, "PREFECT_RUNNER_POLL_FREQUENCY": "2"}

    def start(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process that is stopped with this Prefect; its output goes to ``NAME.log``."""
        log = (self.root / f"{name}.log").open("wb")
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**self.environment, **environment},
            cwd=self.root.parent,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def run(self, script: Path, *arguments: str, **environment: str) -> str:
        """Run a Python script to its end, in the directory above this Prefect's, and return what it printed."""
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            env={**self.environment, **environment},
            cwd=self.root.parent,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{script.name} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def log(self, name: str) -> str:
        """What a process wrote so far."""
        return (self.root / f"{name}.log").read_text(errors="replace")


@contextmanager
def live_prefect(root: Path) -> Iterator[Live]:
    """Run ``prefect server start`` until the block ends, and stop all that was started in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    live = Live(root, f"http://127.0.0.1:{port}/api")
    root.mkdir(parents=True, exist_ok=True)
    serve = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = live.start("server", *serve, PREFECT_API_URL="", PREFECT_UI_API_URL=live.url)
    try:
        _wait(live, server)
        yield live
    finally:
        for process in reversed(live.processes):
            _stop(process)


def _wait(live: Live, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{live.url}/health", timeout=5).close()  # noqa: S310  its own loopback address
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"the Prefect server did not come up:\n{live.log('server')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started: each has a session of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)

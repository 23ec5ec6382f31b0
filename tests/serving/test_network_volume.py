"""Two machines that share a volume: two mounts of one directory over SFTP, each with caches of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, Handler, Seen, delay
from serving_kits import FLAT, materializing, push, read, releases

import kitops_core as kitops

pytestmark = pytest.mark.slow

_SFTP = next((path for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server") if os.access(path, 1)), "")
_UNCACHED = ("-o", "dir_cache=no", "-o", "attr_timeout=0", "-o", "entry_timeout=0")


@contextmanager
def served() -> Iterator[int]:
    """A port at which OpenSSH's SFTP server answers."""
    servers: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    servers.append(subprocess.Popen([_SFTP], stdin=connection.fileno(), stdout=connection.fileno()))

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            for server in servers:
                server.terminate()
                server.wait()


@contextmanager
def two_machines(directory: Path, *options: str) -> Iterator[list[Path]]:
    """The volume as two machines see it."""
    if not shutil.which("sshfs") or not _SFTP:
        pytest.skip("sshfs or OpenSSH's sftp-server is not installed")
    (directory / "volume").mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(served())
        mounts = []
        for name in ("one", "two"):
            mount = directory / name
            mount.mkdir()
            command = ["sshfs", "-o", f"directport={port}", *options, f"127.0.0.1:{directory / 'volume'}", str(mount)]
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("mounting is not allowed here")
            stack.callback(subprocess.run, ["umount", "-l", str(mount)], check=True)
            mounts.append(mount)
        yield mounts


def model_layers(reference: str) -> list[str]:
    with kitops.open(reference, where="registry") as opened:
        return [layer.descriptor.digest for layer in opened.layers if layer.entry.section in ("model", "modelpart")]


@pytest.mark.skipif(sys.platform != "linux", reason="needs FUSE as Linux has it")
@pytest.mark.parametrize("options", [(), _UNCACHED], ids=["cached", "uncached"])
def test_processes_on_two_machines_fetch_a_kit_once(
    faults: FaultProxy, tmp_path: Path, options: tuple[str, ...]
) -> None:
    reference = push(faults.address, tmp_path / "kit")
    digests = model_layers(reference)
    faults.fault("GET", f"/blobs/{digests[0]}", delay(2))
    with two_machines(tmp_path, *options) as machines:
        processes = [materializing(reference, machines[number % 2] / "churn") for number in range(6)]
        outs = [process.communicate(timeout=200) for process in processes]
        assert [process.returncode for process in processes] == [0] * 6, outs
        assert [faults.count("GET", f"/blobs/{digest}") for digest in digests] == [1, 1, 1]
        assert [read(machine / "churn") for machine in machines] == [FLAT, FLAT]
        assert len(releases(machines[0] / "churn")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs FUSE as Linux has it")
def test_when_a_machine_dies_the_other_takes_over(faults: FaultProxy, tmp_path: Path) -> None:
    reference = push(faults.address, tmp_path / "kit")
    blob, release = f"/blobs/{model_layers(reference)[0]}", threading.Event()

    def hang(handler: Handler, seen: Seen) -> None:
        release.wait(100)

    faults.fault("GET", blob, hang)
    with two_machines(tmp_path, *_UNCACHED) as machines:
        first = materializing(reference, machines[0] / "churn", "--stale-after", 4)
        deadline = time.monotonic() + 60
        while not faults.count("GET", blob):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = materializing(reference, machines[1] / "churn", "--stale-after", 4)
        assert second.stderr is not None
        line = second.stderr.readline()
        assert "waiting for process" in line, line
        first.kill()
        first.communicate()
        _, err = second.communicate(timeout=200)
        release.set()
        assert second.returncode == 0, err
        assert read(machines[1] / "churn") == FLAT
        assert len(releases(machines[1] / "churn")) == 1

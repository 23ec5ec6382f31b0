"""The command in a container that runs as a number: no home, no passwd entry, no environment, nothing to write to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import Ran

import kitops_core as kitops

USER = "12345"
TOOLS = ("setpriv", "unshare")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="only root becomes a user without a name"
)
READ_ONLY = "mount -o remount,ro,bind / || exit 77; ! touch /written-by-a-test || exit 78; "


def as_number(*args: object, read_only: bool = False) -> Ran:
    """Run ``kitops`` as a user that nobody knows; it may read all, as Python's files may be closed to others."""
    reads = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    python = [sys.executable, "-m", "kitops_core.cli", *(str(arg) for arg in args)]
    command = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *reads, "env", "-i", *python]
    if read_only:
        command = ["unshare", "-m", "sh", "-c", READ_ONLY + 'exec "$@"', "sh", *command]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("this container may not mount anything")
    return Ran(done.returncode, done.stdout, done.stderr)


def client_digest(name: str) -> str:
    with kitops.Client() as client:
        return client.resolve(name, where="registry")


@pytest.fixture
def kit() -> Iterator[Path]:
    """A directory that everyone may read, as those of other tests are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        Path(name, "model.bin").write_bytes(b"weights")
        yield Path(name)


@pytest.mark.parametrize("read_only", [False, True], ids=["", "read-only root"])
def test_packing_to_a_registry_needs_no_directory_of_its_own(registry: str, kit: Path, read_only: bool) -> None:
    name = f"{registry}/homeless/{uuid.uuid4().hex[:8]}:1"
    ran = as_number("pack", kit, "-t", name, "--push", read_only=read_only)
    assert ran.code == 0, ran.err
    digest = client_digest(name)
    assert digest in ran.out
    ran = as_number("inspect", name, read_only=read_only)
    assert ran.code == 0, ran.err
    assert digest in ran.out


@pytest.mark.parametrize("command", [["list"], ["remove", "m:1"], ["gc"]])
def test_what_needs_the_local_store_says_what_to_set(command: list[str]) -> None:
    ran = as_number(*command)
    assert ran.code == 1
    assert "set KITOPS_HOME" in ran.err
    assert "Traceback" not in ran.err

"""Importing as a process of its own: killed and started again, its memory, and what it writes to disks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runner import run, start
from hub_server import Hub, MadeUp, hub_server

from kitops_core.errors import NotFoundError
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.registry import RegistryRepository

pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")
MIB = 1024 * 1024


def environment(hub: Hub, home: Path) -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return {**keep, "HF_ENDPOINT": hub.address, "HOME": str(home), "KITOPS_HOME": str(home / "kitops")}


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_an_import_that_was_killed_does_not_fetch_again_what_arrived(registry: str, tmp_path: Path) -> None:
    quick, slow = MadeUp(2 * MIB, 1), MadeUp(8 * MIB, 2)
    repository = RegistryRepository(registry, f"imported/{uuid.uuid4().hex[:12]}")
    blob = Descriptor("", f"sha256:{quick.digest('sha256')}", quick.size)
    with hub_server() as hub:
        hub.repo("acme/two").commit({"a.safetensors": slow, "b.safetensors": quick, "config.json": b"{}"})
        command = ("import", "acme/two", "--push", f"{repository.name}:1", "--concurrency", "2")
        hub.pause, hub.slow = 0.5, "a.safetensors"
        with start(*command, env=environment(hub, tmp_path)) as process:
            wait_for(lambda: repository.has_blob(blob) and bool(hub.fetched("a.safetensors")), process)
            process.kill()
        with pytest.raises(NotFoundError):
            repository.resolve("1")
        hub.pause = 0.0
        hub.seen.clear()
        again = run(*command, "--json", env=environment(hub, tmp_path))
        assert again.code == 0, again
        assert hub.fetched("a.safetensors")
        assert not hub.fetched("b.safetensors")
        assert {layer["path"]: layer["outcome"] for layer in again.json["layers"]}["b.safetensors"] == "present"
    repository.close()


@pytest.mark.slow
def test_memory_stays_flat_and_no_file_is_written(registry: str, tmp_path: Path) -> None:
    """A file of 256 MiB in a process that may have little memory, and may write no file beyond 64 KiB."""
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "from kitops_core.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(open('/proc/self/status').read(), file=sys.stderr)\n"
    )
    with hub_server() as hub:
        hub.repo("acme/small").commit({"config.json": b"{}"})
        hub.repo("acme/large").commit({"model.safetensors": MadeUp(256 * MIB), "config.json": b"{}"})
        compiled = environment(hub, tmp_path / "before")  # compiling modules takes more memory than anything after it
        compiled.pop("PYTHONDONTWRITEBYTECODE", "")
        assert run("import", "acme/small", "--push", f"{registry}/imported/small:1", env=compiled).code == 0
        target = f"{registry}/imported/{uuid.uuid4().hex[:12]}:1"
        done = subprocess.run(
            [sys.executable, "-c", script, "import", "acme/large", "--push", target, "--progress", "none"],
            env=environment(hub, tmp_path / "home"),
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    # Not getrusage's figure: a child starts with that of the process it was forked from, which is this one.
    peak = next(line.split()[1] for line in done.stderr.splitlines() if line.startswith("VmHWM:"))
    assert int(peak) * 1024 < 100 * MIB
    assert sum(path.stat().st_size for path in (tmp_path / "home").rglob("*") if path.is_file()) < MIB

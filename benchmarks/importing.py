"""What an import from the Hugging Face Hub costs: memory, and bytes written locally. A stand-in serves the bytes."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hub_server

from benchmarks.measure import Run, run


@contextmanager
def serve_hub(size: int, files: int = 2) -> Iterator[str]:
    """Run the tests' stand-in for the Hub in a process of its own, with a model of ``size`` bytes in some files."""
    command = [sys.executable, str(Path(hub_server.__file__)), str(size), str(files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


def commit(hub: str) -> str:
    """The newest commit of the model that is served."""
    with urllib.request.urlopen(f"{hub}/api/models/acme/large") as answer:
        return str(json.load(answer)["sha"])


def settings(home: Path, hub: str) -> dict[str, str]:
    """The variables of a process that talks to a Hub at ``hub`` and writes nowhere but to ``home``."""
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "KITOPS_HOME": f"{home}/kitops",
        "HF_HOME": f"{home}/hf",
        "HF_ENDPOINT": hub,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def import_to(work: Path, kitops: str, reference: str, size: int) -> tuple[Run, Run, int]:
    """Import into a registry twice; both runs, and the bytes that they left in a home directory of their own."""
    home = work / "import-home"
    home.mkdir()
    with serve_hub(size) as hub:
        command = [kitops, "import", "acme/large", "--push", reference]
        first, again = (run(command, settings(home, hub)) for _ in range(2))
    return first, again, sum(path.stat().st_size for path in home.rglob("*") if path.is_file())

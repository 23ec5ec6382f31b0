"""What an import from the Hugging Face Hub costs: memory, and bytes written locally. A stand-in serves the bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hub_server

from benchmarks.measure import Run, run


@contextmanager
def serve_hub(size: int) -> Iterator[str]:
    """Run the tests' stand-in for the Hub in a process of its own, with a model of ``size`` bytes in two files."""
    command = [sys.executable, str(Path(hub_server.__file__)), str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


def import_to(work: Path, kitops: str, reference: str, size: int) -> tuple[Run, Run, int]:
    """Import into a registry twice; both runs, and the bytes that they left in a home directory of their own."""
    home = work / "import-home"
    home.mkdir()
    with serve_hub(size) as hub:
        settings = [f"HOME={home}", f"KITOPS_HOME={home}/kitops", f"HF_HOME={home}/hf", f"HF_ENDPOINT={hub}"]
        command = ["env", *settings, f"TMPDIR={home}", kitops, "import", "acme/large", "--push", reference]
        first, again = run(command), run(command)
    return first, again, sum(path.stat().st_size for path in home.rglob("*") if path.is_file())

"""What Prefect's users wait for, in Prefect's own environment and on a server: mapped packing, and an event."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.bench import Bench

ROOT = Path(__file__).parents[1]


def prefect(bench: Bench) -> None:
    """20 models by ``.map`` beside tasks that only wait, and a promotion on an event beside a plain flow on one."""
    script = ROOT / "integrations/prefect/benchmarks/speed.py"
    command = [str(ROOT / ".venv-prefect/bin/python"), str(script), "--rounds", str(bench.rounds)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packed, waited, promoted, ran = map(float, printed.split()[-4:])
    plain = f"20 plain tasks that wait as long ({waited:.2f} s)"
    bench.row(f"20 models packed and pushed by .map over the link ({packed:.2f} s)", plain, packed / waited, 1.3)
    plain = f"an event to a plain flow ({ran:.2f} s)"
    bench.row(f"a push to the promoted tag, by an event ({promoted:.2f} s)", plain, promoted / ran, 1.5)

"""What Dagster's users wait for, in Dagster's own environment: the IO manager beside packing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.bench import Bench, remove
from benchmarks.link_proxy import slow_link

ROOT = Path(__file__).parents[1]


def dagster(bench: Bench) -> None:
    """What the Dagster IO manager adds to packing, in Dagster's own environment."""
    script = ROOT / "integrations/dagster/benchmarks/io_manager.py"
    work = bench.home("dagster")
    with slow_link(bench.registry) as slow:
        command = [str(ROOT / ".venv-dagster/bin/python"), str(script), bench.registry, slow, str(work)]
        rounds = ["--rounds", str(bench.rounds)]
        printed = subprocess.run([*command, *rounds], check=True, stdout=subprocess.PIPE, text=True).stdout
    remove(work)
    took = json.loads(printed)
    what = f"a Dagster materialization of 64 MiB ({took['materialized']:.2f} s)"
    bench.row(what, f"`pack` with `push` ({took['packed']:.2f} s)", took["added"], 0.3, " s more")
    bench.row("an unchanged Dagster materialization of 1 GiB", "", took["unchanged"], 0.2, " s")
    what = f"a Dagster backfill of 30 small kits in one run, over the link ({took['backfill']:.2f} s)"
    bench.row(what, f"one `pack` after the other ({took['one_by_one']:.2f} s)", took["ratio"], 0.25)

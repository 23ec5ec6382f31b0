"""What the Airflow provider costs, measured in Airflow's own environment by the provider's own scripts."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.link_proxy import slow_link

ROOT = Path(__file__).parents[1]
MODELS = 20


def parse(bench: Bench) -> None:
    """What the provider adds to the reading of a DAG file."""
    added = float(_run("parse_time.py", "--rounds", str(bench.rounds)))
    bench.row("processor time the Airflow provider adds to reading a DAG file", "", added, 25, " ms")


def tasks(bench: Bench, models: int = MODELS, rounds: int = 3) -> None:
    """What a task that packs adds to the command, and mapped tasks to plain ones, over the link."""
    with slow_link(bench.registry) as link:
        asked = ("--registry", link, "--rounds", str(min(rounds, bench.rounds)), "--models", str(models))
        measured = json.loads(_run("task_time.py", *asked))
    command = statistics.median(one["command"] for one in measured)
    added = statistics.median(one["task"] - one["command"] for one in measured)
    bench.row("seconds an Airflow task adds to it", f"kitops pack --push ({command:.2f} s)", added, 0.5, " s")
    mapped, sleeping = (statistics.median(one[side] for one in measured) for side in ("mapped", "sleeping"))
    bench.row(
        f"a run of {models} mapped tasks that pack a model each ({mapped:.1f} s)",
        f"{models} plain tasks that sleep as long as one upload takes ({sleeping:.1f} s)",
        statistics.median(one["mapped"] / one["sleeping"] for one in measured),
        1.2,
    )


def _run(script: str, *arguments: str) -> str:
    """What a script of the provider's benchmarks prints."""
    command = [str(ROOT / ".venv-airflow/bin/python"), str(ROOT / "integrations/airflow/benchmarks" / script)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, env=environment).stdout

"""What a task that packs takes in a running Airflow: prints JSON, seconds of each round.

A whole Airflow on SQLite is started, as for the demo. Each round writes new files, and runs in turn

- ``pack``: the time that Airflow notes for a task that packs them (``task``), and ``kitops pack --push`` of the same
  files into another repository, from an empty store (``command``);
- ``models``: a run of mapped tasks that pack a model each (``mapped``), and a run of as many plain tasks that sleep as
  long as the command took for one of them (``sleeping``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))

from live_airflow import LiveAirflow, live_airflow

DAGS = """
import os
import time
from datetime import datetime
from airflow.sdk import DAG, task
from kitops_airflow import KitPackPushOperator

START = datetime(2026, 1, 1)
FILES, REGISTRY, MODELS = os.environ["BENCH_FILES"], os.environ["BENCH_REGISTRY"], int(os.environ["BENCH_MODELS"])
NAME = "{{ dag_run.conf['round'] }}"

with DAG("pack", schedule=None, start_date=START):
    KitPackPushOperator(task_id="one", source=f"{FILES}/0", reference=f"{REGISTRY}/one-{NAME}:1")

with DAG("models", schedule=None, start_date=START):
    KitPackPushOperator.partial(task_id="model").expand_kwargs(
        [{"source": f"{FILES}/{i}", "reference": f"{REGISTRY}/model-{i}-{NAME}:1"} for i in range(MODELS)]
    )

with DAG("sleeping", schedule=None, start_date=START):

    @task
    def model(number, dag_run):
        time.sleep(dag_run.conf["seconds"])

    model.expand(number=list(range(MODELS)))
"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", required=True, help="host:port of one that takes pushes over plain HTTP")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds, after one that does not count")
    parser.add_argument("--models", type=int, default=20, help="mapped tasks of a run")
    parser.add_argument("--mib", type=int, default=8, help="size of each model")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kitops-bench-airflow-") as name:
        home = Path(name)
        for made in ("airflow", "dags", "files"):
            (home / made).mkdir()
        (home / "dags" / "bench.py").write_text(DAGS)
        extra = {
            "AIRFLOW__CORE__PARALLELISM": str(asked.models),
            "BENCH_FILES": str(home / "files"),
            "BENCH_REGISTRY": asked.registry,
            "BENCH_MODELS": str(asked.models),
            "KITOPS_HOME": str(home / "kits"),
            "HOME": name,
        }
        with live_airflow(home / "airflow", home / "dags", extra) as airflow:
            rounds = [measure(airflow, home, asked, number) for number in range(asked.rounds + 1)]
    print(json.dumps(rounds[1:]))


def measure(airflow: LiveAirflow, home: Path, asked: argparse.Namespace, number: int) -> dict[str, float]:
    """One round, each with files that nothing has seen."""
    for model in range(asked.models):
        (home / "files" / str(model)).mkdir(exist_ok=True)
        (home / "files" / str(model) / "model.onnx").write_bytes(os.urandom(asked.mib * 1024**2))
    run = airflow.trigger("pack", round=number)
    airflow.succeed("pack", run)
    task = float(airflow.task("pack", run, "one")["duration"])
    kitops = str(Path(sys.executable).with_name("kitops"))
    target = f"{asked.registry}/command-{number}:1"
    store = str(home / "stores" / str(number))
    started = time.monotonic()
    subprocess.run(
        [kitops, "--config", store, "pack", str(home / "files" / "0"), "-t", target, "--push"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = time.monotonic() - started
    mapped = run_time(airflow, "models", round=number)
    sleeping = run_time(airflow, "sleeping", seconds=command)
    return {"task": task, "command": command, "mapped": mapped, "sleeping": sleeping}


def run_time(airflow: LiveAirflow, dag_id: str, **conf: Any) -> float:
    """Seconds that a run took, from its start to its end."""
    run = airflow.trigger(dag_id, **conf)
    airflow.succeed(dag_id, run)
    said = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run}")
    return (datetime.fromisoformat(said["end_date"]) - datetime.fromisoformat(said["start_date"])).total_seconds()


if __name__ == "__main__":
    main()

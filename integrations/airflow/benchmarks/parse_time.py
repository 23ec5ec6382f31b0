"""What the provider adds to the time that Airflow takes to read a DAG file: prints milliseconds of processor time.

Each round is a process of its own, in which Airflow and its own operators are imported already, as in the DAG
processor; a plain DAG file and one with the provider are read in turn there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

CODE = """
import time
from airflow.sdk import dag, task
from airflow.providers.standard.operators.empty import EmptyOperator
import airflow.providers.common.compat.sdk

def read(text):
    start = time.process_time()
    exec(compile(text, "dag.py", "exec"), {"__name__": "dags"})
    return time.process_time() - start

plain = '''
from datetime import datetime
from airflow.sdk import DAG, Asset, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator
from airflow.providers.standard.operators.empty import EmptyOperator
churn = Asset("oci://registry.example.com/ml/churn")
with DAG("one", schedule=None, start_date=datetime(2026, 1, 1)):
    EmptyOperator(task_id="pack", outlets=[churn]) >> EmptyOperator(task_id="promote", inlets=[churn])
'''
ours = '''
from datetime import datetime
from airflow.sdk import DAG
from kitops_airflow import KitPackPushOperator, KitPromoteOperator, modelkit_asset
churn = modelkit_asset("registry.example.com/ml/churn")
with DAG("two", schedule=None, start_date=datetime(2026, 1, 1)):
    KitPackPushOperator(task_id="pack", source="out", asset=churn) >> KitPromoteOperator(
        task_id="promote", asset=churn, to="staging"
    )
'''
read(plain)
print(read(ours) - read(plain))
"""


def main() -> None:
    """Measure, and print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes that are measured")
    rounds = parser.parse_args().rounds
    # Whoever installs a package has its bytecode compiled; the first round, which does not count, writes it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    times = []
    for _ in range(rounds + 1):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
        times.append(float(done.stdout.split()[-1]))
    print(f"{statistics.median(times[1:]) * 1000:.1f}")


if __name__ == "__main__":
    main()

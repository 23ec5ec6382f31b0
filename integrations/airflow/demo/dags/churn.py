"""Train and push; the push starts a DAG that verifies the kit and promotes it to staging; a person lets it to prod."""

from __future__ import annotations

import json
import math
import os
import random
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from kitops_airflow import (
    KitPromoteOperator,
    KitVerifyOperator,
    ModelKitEvent,
    modelkit_asset,
    promote_with_approval,
)

HOME = Path(os.environ["DEMO_HOME"])
REPOSITORY = os.environ["DEMO_REPOSITORY"]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

CHURN = modelkit_asset(REPOSITORY)
STAGING = modelkit_asset(REPOSITORY, tag="staging")


@dag(schedule=None, start_date=START, params={"rounds": 200})
def train_churn() -> None:
    """Fit a small model, and push it as a ModelKit with what was measured."""

    @task.kitops_pack(asset=CHURN, tags=["{{ run_id }}", "dev"], signer=str(HOME / "release.key"))
    def fit(params: dict[str, Any], workdir: Path) -> dict[str, Any]:
        points = random.Random(7)  # noqa: S311 - a model, not a secret
        customers = [(points.uniform(0, 24), points.uniform(0, 8)) for _ in range(400)]
        rows = [(months, calls, calls * 3 > months) for months, calls in customers]
        weights = [0.0, 0.0, 0.0]
        for _ in range(params["rounds"]):
            for months, calls, left in rows:
                guess = 1 / (1 + math.exp(-(weights[0] + weights[1] * months + weights[2] * calls)))
                for index, value in enumerate((1.0, months, calls)):
                    weights[index] += 0.01 * (left - guess) * value
        right = sum((weights[0] + weights[1] * months + weights[2] * calls > 0) == left for months, calls, left in rows)
        (workdir / "model.json").write_text(json.dumps(weights))
        (workdir / "README.md").write_text("# Churn\n\nWho leaves: a logistic regression over months and calls.\n")
        return {
            "name": "churn",
            "version": "1.0.0",
            "model": workdir / "model.json",
            "docs": [workdir / "README.md"],
            "parameters": {"rate": 0.01, "rounds": params["rounds"]},
            "metrics": {"accuracy": right / len(rows)},
        }

    fit()


@dag(schedule=CHURN, start_date=START, max_active_runs=1)
def release_churn() -> None:
    """Verify the very kit that was pushed, and promote it through the gates of staging."""
    verify = KitVerifyOperator(task_id="verify", asset=CHURN, keys=str(HOME / "release.pub"))
    promote = KitPromoteOperator(
        task_id="to_staging",
        reference="{{ ti.xcom_pull(task_ids='verify')['reference'] }}",
        to="staging",
        policy=str(HOME / "promotion.yaml"),
        signer=str(HOME / "release.key"),
    )
    verify >> promote


@dag(schedule=STAGING, start_date=START)
def report_staging() -> None:
    """Say what is in staging now."""

    @task(inlets=[STAGING])
    def report(**context: Any) -> str:
        kit = ModelKitEvent.latest(context, STAGING)
        return f"staging has {kit.reference}, before it {kit.previous_digest or 'nothing'}" if kit else "nothing"

    report()


@dag(schedule=STAGING, start_date=START, max_active_runs=1)
def approve_churn() -> None:
    """Ask a person whether what is in staging goes to prod; the page of ``approve`` shows what they approve."""
    promote_with_approval("prod", asset=STAGING, policy=str(HOME / "promotion.yaml"), signer=str(HOME / "release.key"))


train_churn()
release_churn()
report_staging()
approve_churn()

"""A model is trained, packed and pushed every day; each push starts a DAG that promotes it to staging."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from kitops_airflow import KitPromoteOperator, modelkit_asset

CHURN = modelkit_asset("registry.example.com/ml/churn")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dag(schedule="@daily", start_date=START, catchup=False)
def train_churn() -> None:
    """Train, pack and push."""

    @task.kitops_pack(asset=CHURN, tags=["{{ run_id }}", "dev"])
    def fit(workdir: Path) -> dict[str, Any]:
        model = workdir / "model.bin"
        model.write_bytes(b"weights")  # train here
        return {"name": "churn", "model": str(model), "parameters": {"max_depth": 8}, "metrics": {"accuracy": 0.94}}

    fit()


@dag(schedule=CHURN, start_date=START, max_active_runs=1)
def release_churn() -> None:
    """Promote the very kit that was pushed."""
    KitPromoteOperator(task_id="to_staging", asset=CHURN, to="staging", policy="promotion.yaml")


train_churn()
release_churn()

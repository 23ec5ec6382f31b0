"""A DAG that runs whenever anyone moves the tag ``prod``: a pipeline, a person, another orchestrator."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import dag, task

from kitops_airflow import modelkit_asset

PROD = modelkit_asset("registry.example.com/ml/churn", tag="prod", watch=True, poll_interval=60)


@dag(schedule=PROD, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def deploy_churn() -> None:
    """Take the kit that the tag was moved to."""

    @task.kitops_pull(asset=PROD, only=["model"])
    def deploy(kit: Any) -> str:
        print([path.name for path in kit.directory.iterdir()])  # load it into the server here
        return str(kit.digest)

    deploy()


deploy_churn()

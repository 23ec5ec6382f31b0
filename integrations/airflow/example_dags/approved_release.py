"""What comes to staging goes to production once a person has seen the gates and the difference (Airflow 3.1)."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import dag

from kitops_airflow import modelkit_asset, promote_with_approval

STAGING = modelkit_asset("registry.example.com/ml/churn", tag="staging")


@dag(schedule=STAGING, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_runs=1)
def approve_churn() -> None:
    """Plan, ask, promote."""
    promote_with_approval("prod", asset=STAGING, policy="promotion.yaml")


approve_churn()

"""The DAG of the live session about approvals; the run says which policy."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import dag

from kitops_airflow import promote_with_approval


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def asks() -> None:
    promote_with_approval("prod", policy="{{ dag_run.conf['policy'] }}")


asks()

"""Every hour what has soaked long enough in staging goes to production; what has not is looked at an hour later."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import dag

from kitops_airflow import KitPromoteOperator


@dag(schedule="@hourly", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, max_active_runs=1)
def promote_churn() -> None:
    """Promote what is in staging."""
    KitPromoteOperator(
        task_id="to_prod",
        to="prod",
        policy="promotion.yaml",
        skip_refused=True,  # not soaked yet: not a failure
        skip_unchanged=True,  # nothing new: no event for those who wait for prod
    )


promote_churn()

"""The DAGs of the live session; KITS names the registry, SECURED one with a password, SLOW one that takes its time."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from kitops_airflow import (
    KitInspectOperator,
    KitPackPushOperator,
    KitPullOperator,
    ModelKitEvent,
    ModelKitTagSensor,
    modelkit_asset,
    promote_with_approval,
)

REGISTRY, SECURED, SLOW = os.environ["KITS"], os.environ["SECURED"], os.environ["SLOW"]
MODEL = Path(os.environ["MODEL"])
CHURN = modelkit_asset(f"{REGISTRY}/live/churn")
PROD = modelkit_asset(f"{REGISTRY}/live/churn", tag="prod", watch=True, poll_interval=1)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dag(schedule=None, start_date=START, params={"weights": "one"})
def produce() -> None:
    @task.kitops_pack(asset=CHURN, tags=["dev"])
    def fit(params: dict[str, Any]) -> str:
        MODEL.mkdir(exist_ok=True)
        (MODEL / "model.bin").write_text(params["weights"])
        return str(MODEL)

    fit()


@dag(schedule=CHURN, start_date=START)
def consume() -> None:
    KitInspectOperator(task_id="look", asset=CHURN)


@dag(schedule=PROD, start_date=START)
def deploy() -> None:
    @task(inlets=[PROD])
    def note(**context: Any) -> dict[str, str]:
        event = ModelKitEvent.latest(context, PROD)
        assert event is not None
        return {"digest": event.digest, "previous": event.previous_digest, "origin": event.origin}

    note()


@dag(schedule=None, start_date=START, default_args={"kitops_conn_id": "secured"})
def wait() -> None:
    tag = ModelKitTagSensor(task_id="tag", reference=f"{SECURED}/live/awaited:now", deferrable=True, poke_interval=1)
    pull = KitPullOperator(task_id="pull", reference="live/awaited:now", directory=f"{MODEL}-{{{{ run_id }}}}")
    again = KitPackPushOperator(
        task_id="again", source="{{ ti.xcom_pull(task_ids='pull')['directory'] }}", reference=f"{SECURED}/live/again:1"
    )
    tag >> pull >> again


@dag(schedule=None, start_date=START)
def large() -> None:
    KitPackPushOperator(task_id="push", source=os.environ["LARGE"], reference=f"{SLOW}/live/large:dev")


@dag(schedule=None, start_date=START)
def approve() -> None:
    promote_with_approval("prod", asset=CHURN, policy=os.environ["CHANNELS"])


produce()
approve()
consume()
deploy()
wait()
large()

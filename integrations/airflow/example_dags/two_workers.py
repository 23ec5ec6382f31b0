"""A model is trained on one worker, packed on another and looked at on a third, without a disk that they share.

What is trained goes into an object store, and from there into the registry. Between tasks go a URL and a digest. The
workers need ``apache-airflow-providers-amazon[s3fs]``, and Airflow the connection ``models`` to the store.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import ObjectStoragePath, dag, task

from kitops_airflow import modelkit_asset

CHURN = modelkit_asset("registry.example.com/ml/churn")
SCRATCH = "s3://models@scratch/churn"  # the connection "models", the bucket "scratch"


@dag(schedule="@weekly", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False)
def train_and_pack_apart() -> None:
    """Train, pack, evaluate."""

    @task(queue="gpu")
    def fit(run_id: str | None = None) -> ObjectStoragePath:
        trained = ObjectStoragePath(SCRATCH) / str(run_id)  # in the task: making it opens the store
        trained.mkdir(parents=True, exist_ok=True)
        (trained / "model.bin").write_bytes(b"weights")  # train here
        return trained

    @task.kitops_pack(asset=CHURN, tags=["dev"], queue="default")
    def pack(trained: ObjectStoragePath) -> dict[str, Any]:
        return {"name": "churn", "model": trained / "model.bin"}

    packed = "registry.example.com/ml/churn@{{ ti.xcom_pull(task_ids='pack')['digest'] }}"

    @task.kitops_pull(reference=packed, only=["model"], queue="gpu")
    def evaluate(kit: Any) -> dict[str, int]:  # the very kit that was packed, wherever the tag is by now
        return {path.name: path.stat().st_size for path in kit.directory.iterdir()}

    pack(fit()) >> evaluate()


train_and_pack_apart()

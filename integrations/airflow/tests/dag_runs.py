"""Running a DAG inside the test, with ``dag.test()``, and looking at what it left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from packaging.version import Version

AIRFLOW_V_3_3_PLUS = Version(airflow_version) >= Version("3.3")  # common-compat has it from 1.15 on


@contextmanager
def dag(name: str, **kwargs: Any) -> Iterator[DAG]:
    """A DAG that runs when told to."""
    with DAG(
        name, schedule=kwargs.pop("schedule", None), start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), **kwargs
    ) as made:
        yield made


def dag_bag() -> Any:
    """Airflow's ``DagBag`` and ``sync_bag_to_db``, wherever this Airflow has them."""
    try:
        from airflow.dag_processing import dagbag
    except ImportError:  # before 3.2
        from airflow.models import dagbag
    return dagbag.DagBag, getattr(dagbag, "sync_bag_to_db", None)


def store(made: DAG) -> None:
    """Write a DAG and its assets to Airflow's database, as the DAG processor does."""
    if not AIRFLOW_V_3_0_PLUS:
        made.sync_to_db()
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    make_bag, sync_bag_to_db = dag_bag()

    DagBundlesManager().sync_bundles_to_db()
    bag = make_bag(os.devnull)
    made.relative_fileloc = f"{made.dag_id}.py"
    made.fileloc = os.path.join(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], made.relative_fileloc)
    Path(made.fileloc).write_text("# its code is in the test\n")
    bag.dags = {made.dag_id: made}
    sync_bag_to_db(bag, "dags-folder", None)


def _one_api() -> None:
    """Have ``dag.test()`` make its API once, and wait until it has begun, as that of 3.3 does.

    Before, each task had its own, which takes seconds; and where the first request came before what the API starts in
    another thread, which happens with many imports or little processor, no task ran: ``svcs_registry`` was missing.
    """
    if AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_3_PLUS:
        from airflow.sdk.execution_time import supervisor

        make = supervisor.in_process_api_server

        @cache
        def once() -> Any:
            api = make()
            _ = api.transport
            deadline = time.monotonic() + 60
            while not hasattr(api.app.state, "svcs_registry") and time.monotonic() < deadline:
                time.sleep(0.01)
            return api

        if not hasattr(make, "cache_clear"):
            supervisor.in_process_api_server = once


def run(made: DAG, **kwargs: Any) -> Any:
    """Run it; gives the DAG run."""
    store(made)
    _one_api()
    # It leaves a handler behind that lets nobody end the tests (findings/airflow-dag-test-keeps-sigterm.sh).
    before = signal.getsignal(signal.SIGTERM)
    try:
        return made.test(**kwargs)
    finally:
        signal.signal(signal.SIGTERM, before)


def result(dag_run: Any, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
    """What a task returned."""
    (ti,) = (ti for ti in dag_run.get_task_instances() if (ti.task_id, ti.map_index) == (task_id, map_index))
    return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=None if map_index < 0 else map_index)


def states(dag_run: Any) -> dict[str, str]:
    """The state of each task."""
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}


def events(uri: str) -> list[Any]:
    """The asset events of a URI, oldest first."""
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        if AIRFLOW_V_3_0_PLUS:
            from airflow.models.asset import AssetEvent, AssetModel

            query = (
                select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id).where(AssetModel.uri == uri)
            )
            found = session.scalars(query.order_by(AssetEvent.id)).all()
        else:
            from airflow.models.dataset import DatasetEvent, DatasetModel

            query = select(DatasetEvent).join(DatasetModel, DatasetModel.id == DatasetEvent.dataset_id)
            found = session.scalars(query.where(DatasetModel.uri == uri).order_by(DatasetEvent.id)).all()
        return [dict(event.extra) for event in found]

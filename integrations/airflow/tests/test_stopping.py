"""Tasks that are stopped: the engine ends at its next buffer, and no tag has moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from dag_runs import dag, run
from fault_proxy import FaultProxy
from held_pushes import slowly

import kitops_core as kitops
from kitops_airflow import KitPackPushOperator
from kitops_core.errors import CancelledError

pytestmark = pytest.mark.usefixtures("airflow_database")

CONTEXT = {"ti": SimpleNamespace(dag_id="stopping", run_id="now", task_id="pack")}
MIB = 1024 * 1024


@pytest.fixture
def slow_pushes(faults: FaultProxy) -> FaultProxy:
    """A registry that takes its time with every upload."""

    faults.fault("PATCH", ".*", slowly, times=100)
    return faults


def test_killed_while_pushing_it_stops_and_the_tag_stays(slow_pushes: FaultProxy, model: Path, registry: str) -> None:
    before = kitops.pack(model, f"{registry}/killed/churn:dev", push=True).digest
    (model / "model.onnx").write_bytes(bytes(64 * MIB))
    operator = KitPackPushOperator(
        task_id="pack", source=str(model), reference=f"{slow_pushes.address}/killed/churn:dev"
    )
    client = operator.hook(CONTEXT).get_conn()
    threading.Timer(1.0, operator.on_kill).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        client.pack(str(model), operator.reference, push=True)
    assert time.monotonic() - started < 15
    with kitops.open(f"{registry}/killed/churn:dev") as kit:
        assert kit.digest == before


def test_killed_before_the_engine_began_it_does_not_begin(model: Path, registry: str) -> None:
    reference = f"{registry}/killed-early/churn:dev"
    operator = KitPackPushOperator(task_id="pack", source=str(model), reference=reference)
    operator.on_kill()  # as while the function of a decorated task still trains
    with pytest.raises(CancelledError):
        operator.hook(CONTEXT).get_conn().pack(str(model), reference, push=True)
    with pytest.raises(kitops.NotFoundError):
        kitops.open(reference)


def test_a_task_that_takes_too_long_is_ended_by_its_timeout(
    slow_pushes: FaultProxy, model: Path, registry: str, said: Callable[[], str]
) -> None:
    (model / "model.onnx").write_bytes(bytes(64 * MIB))
    with dag("too_long") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{slow_pushes.address}/too-long/churn:dev",
            execution_timeout=timedelta(seconds=2),
        )
    with suppress(AirflowTaskTimeout):  # Airflow 2 lets it through
        run(made)
    assert slow_pushes.count("PATCH", "too-long/churn") > 0
    assert slow_pushes.count("PUT", "too-long/churn/manifests") == 0
    assert "imeout" in said()

"""Waiting for a tag in a DAG."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred
from dag_runs import dag, result, run, states
from fault_proxy import FaultProxy, answer

import kitops_core as kitops
from kitops_airflow import ModelKitTagSensor, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_tag_that_is_there_ends_the_wait_with_its_record(registry: str, model: Path, deferrable: bool) -> None:
    packed = kitops.pack(model, f"{registry}/sensed/there:prod", push=True)
    with dag(f"sensed_{deferrable}") as made:
        ModelKitTagSensor(
            task_id="wait", asset=modelkit_asset(f"{registry}/sensed/there", tag="prod"), deferrable=deferrable
        )
    dag_run = run(made)
    assert states(dag_run) == {"wait": "success"}
    assert result(dag_run, "wait")["digest"] == packed.digest


def test_what_is_not_there_and_what_is_known_already_is_waited_for(registry: str, model: Path) -> None:
    packed = kitops.pack(model, f"{registry}/sensed/known:prod", push=True)
    known = ModelKitTagSensor(task_id="a", reference=f"{registry}/sensed/known:prod", since_digest=packed.digest)
    absent = ModelKitTagSensor(task_id="b", reference=f"{registry}/sensed/known:other")
    assert not known.poke({}).is_done
    assert not absent.poke({}).is_done


def test_a_registry_that_fails_is_waited_for(faults: FaultProxy, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = f"{faults.address}/sensed/fails:prod"
    kitops.pack(model, reference, push=True)
    faults.fault("HEAD", ".*/manifests/prod", answer(403), times=1)
    faults.fault("HEAD", ".*/manifests/prod", answer(501), times=1)
    sensor = ModelKitTagSensor(task_id="wait", reference=reference)
    with pytest.raises(Exception, match=r"refus|denied|403"):
        sensor.poke({})
    assert not sensor.poke({}).is_done
    assert sensor.poke({}).is_done


def test_deferred_it_leaves_a_trigger_that_knows_what_was_seen(registry: str) -> None:
    digest = "sha256:" + "a" * 64
    sensor = ModelKitTagSensor(
        task_id="wait",
        reference=f"{registry}/sensed/nobody:prod",
        since_digest=digest,
        poke_interval=7,
        deferrable=True,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    arguments: dict[str, Any] = deferred.value.trigger.serialize()[1]
    assert (arguments["since_digest"], arguments["poll_interval"]) == (digest, 7.0)
    assert sensor.resume({}, {"digest": digest}) == {"digest": digest}

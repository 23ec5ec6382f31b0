"""A step that Dagster retries need not train again when all that failed was the push."""

from __future__ import annotations

import uuid

import dagster as dg
import pytest
from fault_proxy import answer, fault_proxy
from runs import data_version, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKitContents, kept_kit
from kitops_core.errors import DeniedError

BROKEN = 100


def test_the_next_attempt_gets_what_was_packed_and_pushes_it(instance: dg.DagsterInstance, registry: str) -> None:
    trainings = []

    @dg.asset(io_manager_key="modelkit", retry_policy=dg.RetryPolicy(max_retries=2))
    def churn(context):
        if (kit := kept_kit(context)) is not None:
            return kit
        trainings.append(1)
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=1)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        result = run([churn], instance, kitops=resource)
        assert result.success
        assert len(trainings) == 1
        digest = data_version(instance, "churn")
        with kitops.open(resource.reference("churn", tag="latest"), remote=True) as kit:
            assert kit.digest == digest
            assert kit.read("model.bin") == b"trained for days"
    assert kitops.list_kits() == []


def test_the_log_says_how_to_push_by_hand(instance: dg.DagsterInstance, registry: str) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=BROKEN)
        with pytest.raises(DeniedError):
            run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml"))
        (failed,) = instance.get_runs()
        (kept,) = kitops.list_kits()
        messages = "\n".join(entry.user_message for entry in instance.all_logs(failed.run_id))
        assert f"kitops push {kept.repository}:latest {proxy.address}/ml/churn:latest" in messages


def test_another_run_does_not_get_it(instance: dg.DagsterInstance, registry: str) -> None:
    seen = []

    @dg.asset(io_manager_key="modelkit")
    def churn(context):
        seen.append(kept_kit(context))
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=BROKEN)
        for _ in range(2):
            with pytest.raises(DeniedError):
                run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml"))
    assert seen == [None, None]

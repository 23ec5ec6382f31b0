"""Housekeeping deletes old runs with their events: no kit is forgotten, and none taken for another."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import pytest
from runs import QUIET, data_version, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager, digest_check, promotion_asset
from kitops_core.errors import NotFoundError

REGIONS = dg.StaticPartitionsDefinition(["eu", "us"])


@dg.asset(io_manager_key="modelkit", partitions_def=REGIONS)
def regional(context):
    return ModelKitContents(model=context.partition_key.encode())


@dg.asset(partitions_def=REGIONS)
def use(context, regional: ModelKit) -> bytes:
    return regional.read("model.bin")


def delete_runs(instance: dg.DagsterInstance) -> None:
    for each in instance.get_runs():
        instance.delete_run(each.run_id)


def move(tag: str, directory: Path, weights: bytes = b"from outside") -> None:
    (directory / "model.bin").write_bytes(weights)
    kitops.pack(kitops.Contents(model=directory / "model.bin"), tag)


def test_a_channel_and_a_check_still_know_the_kit(registry: str, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    policy = tmp_path / "promotion.yaml"
    policy.write_text(f"kit: {resource.reference('churn')}\nchannels:\n  staging: {{}}\n")

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"weights")

    staging, check = promotion_asset(churn, "staging", policy=policy), digest_check(churn)
    defs = dg.Definitions(
        [churn, staging],
        asset_checks=[check],
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.checks(check))],
        resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)},
    )
    whole = defs.resolve_implicit_global_asset_job_def()
    whole.execute_in_process(instance=instance, run_config=QUIET, asset_selection=[churn.key])
    delete_runs(instance)
    checked = defs.resolve_job_def("checks").execute_in_process(instance=instance, run_config=QUIET)
    assert [each.passed for each in checked.get_asset_check_evaluations()] == [True]
    whole.execute_in_process(instance=instance, run_config=QUIET, asset_selection=[staging.key])
    digest = data_version(instance, "churn")
    assert resource.resolve(resource.reference("churn", tag="staging")) == digest


def test_an_older_kit_is_not_taken_for_the_last_one(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    weights = [b"first"]

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=weights[0])

    @dg.asset
    def use(churn: ModelKit) -> bytes:
        return churn.read("model.bin")

    run([churn], instance)
    weights[0] = b"second"
    last = run([churn], instance)
    instance.delete_run(last.run_id)
    move("churn:latest", tmp_path)
    assert run([churn, use], instance, selection=[use]).output_for_node("use") == b"second"


def test_a_partition_whose_run_was_deleted_is_not_what_its_tag_means_now(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    for partition in ("eu", "us"):
        run([regional], instance, partition=partition)
    delete_runs(instance)
    for partition in ("eu", "us"):
        move(f"regional:{partition}", tmp_path)
    with pytest.raises(NotFoundError, match="no materialization of partition 'eu' of regional"):
        run([regional, use], instance, partition="eu", selection=[use])
    last = run([regional, use], instance, partition="us", selection=[use])  # Dagster keeps an asset's last event
    assert last.output_for_node("use") == b"us"


def test_an_input_that_says_which_kit_it_means_needs_no_record(instance: dg.DagsterInstance) -> None:
    @dg.asset(name="use", partitions_def=REGIONS, ins={"regional": dg.AssetIn(metadata={"kitops/tag": "eu"})})
    def pinned(context, regional: ModelKit) -> bytes:
        return regional.read("model.bin")

    for partition in ("eu", "us"):
        run([regional], instance, partition=partition)
    delete_runs(instance)
    assert run([regional, pinned], instance, partition="eu", selection=[pinned]).output_for_node("use") == b"eu"


def test_a_tag_is_never_taken_without_a_word(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    move("regional:eu", tmp_path)
    result = run([regional, use], instance, partition="eu", selection=[use])
    assert result.output_for_node("use") == b"from outside"
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("Dagster records no kit of regional: regional:eu is loaded, whatever it is now" in each for each in said)

"""One partition is the object, several are a dict of them by key: the partition mapping decides."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pytest
from runs import run

import kitops_core as kitops
from dagster_kitops import ModelKit, ModelKitContents

REGIONS = dg.StaticPartitionsDefinition(["eu", "us"])
ONE = dg.StaticPartitionsDefinition(["eu"])


def weights_of(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(io_manager_key="modelkit", partitions_def=partitions)
    def weights(context):
        return {"layer": np.full(2, len(context.partition_key))}

    return weights


def taken(instance: dg.DagsterInstance, use: Any, partitions: dg.PartitionsDefinition[str], **options: Any) -> Any:
    """What an asset downstream is given."""
    weights = weights_of(partitions)
    for key in partitions.get_partition_keys():
        run([weights], instance, partition=key)
    return run([weights, use], instance, selection=[use], **options).output_for_node("use")


def test_one_partition_of_arrays_by_name_is_the_arrays(instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=REGIONS)
    def use(weights: dict[str, np.ndarray]) -> list[int]:
        return weights["layer"].tolist()  # type: ignore[no-any-return]

    assert taken(instance, use, REGIONS, partition="eu") == [2, 2]


def test_one_partition_as_a_plain_dict_is_what_the_asset_returned(instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=REGIONS)
    def use(weights: dict) -> list[str]:  # type: ignore[type-arg]
        return list(weights)

    assert taken(instance, use, REGIONS, partition="us") == ["layer"]


def test_several_are_a_dict_of_the_objects(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def use(weights: dict[str, dict[str, np.ndarray]]) -> dict[str, list[int]]:
        return {key: value["layer"].tolist() for key, value in weights.items()}

    assert taken(instance, use, REGIONS) == {"eu": [2, 2], "us": [2, 2]}


def test_all_partitions_are_a_dict_also_while_there_is_but_one(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def use(weights: dict[str, dict[str, np.ndarray]]) -> list[str]:
        return list(weights)

    assert taken(instance, use, ONE) == ["eu"]


def test_a_plain_dict_of_several_has_kits(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def use(weights: dict) -> list[type]:  # type: ignore[type-arg]
        return [type(value) for value in weights.values()]

    assert taken(instance, use, REGIONS) == [ModelKit, ModelKit]


def test_the_last_partition_is_one(instance: dg.DagsterInstance) -> None:
    @dg.asset(ins={"weights": dg.AssetIn(partition_mapping=dg.LastPartitionMapping())})
    def use(weights: dict[str, np.ndarray]) -> list[int]:
        return weights["layer"].tolist()  # type: ignore[no-any-return]

    assert taken(instance, use, REGIONS) == [2, 2]


def test_kits_by_partition_may_be_one(instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=REGIONS)
    def use(weights: dict[str, ModelKit]) -> list[str]:
        return list(weights)

    assert taken(instance, use, REGIONS, partition="us") == ["us"]


def test_a_mapping_that_lacks_a_partition_says_which(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit", partitions_def=REGIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def regional(context):
        return {"eu": ModelKitContents(model=b"eu")}

    ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "us"}
    with pytest.raises(Exception, match="lacks the partition 'us'"):
        run([regional], instance, run_tags=ends)
    assert [kept.tag for kept in kitops.list_kits()] == ["eu"]  # what there is is kept


def test_each_partition_of_one_kit_names_its_own_tag(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit", partitions_def=REGIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def regional(context):
        return ModelKitContents(model=b"for all")

    ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "us"}
    run([regional], instance, run_tags=ends)
    records = instance.fetch_materializations(regional.key, limit=10).records
    named = {
        record.asset_materialization.partition: record.asset_materialization.metadata["kitops/reference"].value
        for record in records
        if record.asset_materialization is not None
    }
    assert named == {"eu": "regional:eu", "us": "regional:us"}

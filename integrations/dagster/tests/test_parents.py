"""A kit's parents are the kits that it was really made from: those that its step was given."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from runs import data_version, metadata, run

from dagster_kitops import ModelKit, ModelKitContents

REGIONS = dg.StaticPartitionsDefinition(["eu", "us", "日本"])


@dg.asset(io_manager_key="modelkit", partitions_def=REGIONS)
def regional(context):
    return ModelKitContents(model=context.partition_key.encode())


@pytest.fixture
def digests(instance: dg.DagsterInstance) -> dict[str, str]:
    """The digest of each region; the last one packed is 日本."""
    found = {}
    for region in REGIONS.get_partition_keys():
        run([regional], instance, partition=region)
        found[region] = data_version(instance, "regional")
    return found


def base_of(weights: bytes) -> dg.AssetsDefinition:
    @dg.asset(io_manager_key="modelkit")
    def base():
        return ModelKitContents(model=weights)

    return base


def made_from(instance: dg.DagsterInstance, *assets: Any, **options: Any) -> list[str]:
    """The parents of the last asset when it alone is materialized."""
    name = assets[-1].key.path[-1]
    run(assets, instance, selection=[name], **options)
    return [parent.partition("@")[2] for parent in metadata(instance, name)["kitops/parents"]]


def test_a_pinned_input_is_the_parent_and_not_what_came_after_it(instance: dg.DagsterInstance) -> None:
    run([base_of(b"first")], instance)
    first = data_version(instance, "base")
    run([base_of(b"second")], instance)

    @dg.asset(io_manager_key="modelkit", ins={"base": dg.AssetIn(metadata={"kitops/digest": first})})
    def tuned(base: ModelKit):
        return ModelKitContents(model=base.read("model.bin") + b", tuned")

    assert made_from(instance, base_of(b"second"), tuned) == [first]


def test_the_partition_that_was_given_is_the_parent(instance: dg.DagsterInstance, digests: dict[str, str]) -> None:
    @dg.asset(io_manager_key="modelkit", partitions_def=REGIONS)
    def tuned(regional: bytes):
        return ModelKitContents(model=regional + b", tuned")

    assert made_from(instance, regional, tuned, partition="eu") == [digests["eu"]]


def test_all_partitions_that_were_given_are_parents(instance: dg.DagsterInstance, digests: dict[str, str]) -> None:
    @dg.asset(io_manager_key="modelkit")
    def ensemble(regional: dict[str, ModelKit]):
        return ModelKitContents(docs={"README.md": ", ".join(regional).encode()})

    assert made_from(instance, regional, ensemble) == list(digests.values())


def test_of_assets_that_are_not_loaded_it_is_what_dagster_records(
    instance: dg.DagsterInstance, digests: dict[str, str]
) -> None:
    run([base_of(b"weights")], instance)

    @dg.asset(io_manager_key="modelkit", deps=["base", regional])  # which of the partitions, nobody can tell
    def report():
        return ModelKitContents(docs={"README.md": b"# Report\n"})

    assert made_from(instance, base_of(b"weights"), regional, report) == [data_version(instance, "base")]

"""Outputs of ops are kits too: of one run, found again by the step they come from."""

from __future__ import annotations

import dagster as dg
import pytest
from runs import QUIET

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager
from kitops_core.errors import InvalidInputError

RESOURCES = {"modelkit": ModelKitIOManager(kitops=KitOpsResource()), "io_manager": dg.mem_io_manager}


@dg.op(out=dg.DynamicOut(io_manager_key="modelkit"))
def shards():
    for name in ("first", "second"):
        yield dg.DynamicOutput(ModelKitContents(docs={"README.md": name.encode()}), mapping_key=name)


@dg.op(out=dg.Out(io_manager_key="modelkit"))
def louder(shard: ModelKit) -> ModelKitContents:
    return ModelKitContents(docs={"README.md": shard.read("README.md").upper()})


@dg.op
def collected(shards: list[ModelKit]) -> list[str]:
    return [shard.read_text("README.md") for shard in shards]


@dg.job(resource_defs=RESOURCES)
def fan_out():
    collected(shards().map(louder).collect())


def test_each_dynamic_output_is_a_kit_of_its_own(instance: dg.DagsterInstance) -> None:
    result = fan_out.execute_in_process(instance=instance, run_config=QUIET)
    assert result.output_for_node("collected") == ["FIRST", "SECOND"]
    repositories = {record.repository for record in kitops.list_kits()}
    assert f"runs/{result.run_id}/shards/result" in repositories
    for step in ("shards", "louder"):
        assert {record.tag for record in kitops.list_kits(f"runs/{result.run_id}/{step}/result")} == {"first", "second"}


def test_a_list_that_one_op_returns_is_a_list_in_the_next(instance: dg.DagsterInstance) -> None:
    @dg.op(out=dg.DynamicOut(io_manager_key="modelkit"))
    def batches():
        for number in range(2):
            yield dg.DynamicOutput([f"shard-{number}.bin"], mapping_key=str(number))

    @dg.op(out=dg.Out(io_manager_key="modelkit"))
    def doubled(entries: list) -> list:
        return entries * 2

    @dg.op
    def all_of_them(parts: list[list]) -> list:
        return [entry for part in parts for entry in part]

    @dg.job(resource_defs=RESOURCES)
    def of_lists():
        all_of_them(batches().map(doubled).collect())

    result = of_lists.execute_in_process(instance=instance, run_config=QUIET)
    assert result.output_for_node("all_of_them") == ["shard-0.bin"] * 2 + ["shard-1.bin"] * 2


def test_two_runs_share_nothing(instance: dg.DagsterInstance) -> None:
    runs = [fan_out.execute_in_process(instance=instance, run_config=QUIET).run_id for _ in range(2)]
    for run in runs:
        assert len(kitops.list_kits(f"runs/{run}/shards/result")) == 2


def test_metadata_that_is_an_assets_means_nothing_for_the_output_of_an_op(instance: dg.DagsterInstance) -> None:
    @dg.op(out=dg.Out(io_manager_key="modelkit", metadata={"kitops/repository": "risk/churn"}))
    def packed():
        return ModelKitContents(docs={"README.md": b"hi"})

    @dg.job(resource_defs=RESOURCES)
    def one():
        packed()

    with pytest.raises(InvalidInputError, match="are of assets: outputs of ops are kits of their run"):
        one.execute_in_process(instance=instance, run_config=QUIET)


def test_an_output_says_which_kit_it_is(instance: dg.DagsterInstance) -> None:
    result = fan_out.execute_in_process(instance=instance, run_config=QUIET)
    outputs = [event.event_specific_data for event in result.get_step_success_events()]
    assert outputs
    handled = [event for event in result.all_events if event.event_type_value == "HANDLED_OUTPUT"]
    digests = [event.event_specific_data.metadata.get("kitops/digest") for event in handled]
    assert len([digest for digest in digests if digest is not None]) == 4

"""A partition is a tag; several partitions are a dict."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fault_proxy import FaultProxy, delay
from request_chain import in_a_row
from runs import data_version, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents
from dagster_kitops.versioning import latest_kit

REGIONS = dg.StaticPartitionsDefinition(["eu", "us", "日本"])


@dg.asset(io_manager_key="modelkit", partitions_def=REGIONS, backfill_policy=dg.BackfillPolicy.single_run())
def churn(context):
    keys = ", ".join(context.partition_keys)
    return ModelKitContents(docs={"README.md": f"# {keys}\n".encode()})


@dg.asset(partitions_def=REGIONS, backfill_policy=dg.BackfillPolicy.single_run())
def card(churn: ModelKit) -> str:
    return churn.read_text("README.md")


def test_each_partition_is_a_tag_of_the_assets_repository(instance: dg.DagsterInstance) -> None:
    for key in REGIONS.get_partition_keys():
        run([churn], instance, partition=key)
    tags = {record.tag for record in kitops.list_kits("churn")}
    assert len(tags) == 3
    assert {"eu", "us"} < tags
    assert "latest" not in tags


def test_a_partition_loads_its_own_kit(instance: dg.DagsterInstance) -> None:
    for key in ("eu", "日本"):
        result = run([churn, card], instance, partition=key)
        assert result.output_for_node("card") == f"# {key}\n"


def test_a_partition_loads_the_digest_it_was_materialized_with(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run([churn], instance, partition="eu")
    (tmp_path / "README.md").write_text("# moved\n")
    kitops.pack(kitops.Contents(docs=[tmp_path / "README.md"]), "churn:eu")
    result = run([churn, card], instance, partition="eu", selection=[card])
    assert result.output_for_node("card") == "# eu\n"


def test_a_model_may_start_from_the_partition_before_and_the_first_has_none(instance: dg.DagsterInstance) -> None:
    days = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
    before = dg.AssetIn("warm", partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))

    @dg.asset(io_manager_key="modelkit", partitions_def=days, ins={"warm": before})
    def warm(warm: ModelKit | None) -> ModelKitContents:
        return ModelKitContents(model=(warm.read("model.bin") if warm is not None else b"") + b"+")

    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        assert run([warm], instance, partition=day).success
    with kitops.open("warm:2026-01-03") as kit:
        assert kit.read("model.bin") == b"+++"


def test_an_input_without_a_partition_says_how_to_take_it(instance: dg.DagsterInstance) -> None:
    days = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
    before = dg.AssetIn("cold", partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))

    @dg.asset(io_manager_key="modelkit", partitions_def=days, ins={"cold": before})
    def cold(cold: ModelKit) -> ModelKit:
        return cold

    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"no partition here.*annotate it as Optional.ModelKit"):
        run([cold], instance, partition="2026-01-01")


def test_several_partitions_come_as_a_dict(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def report(churn: dict[str, ModelKit]) -> dict[str, str]:
        return {key: kit.read_text("README.md") for key, kit in churn.items()}

    for key in REGIONS.get_partition_keys():
        run([churn], instance, partition=key)
    result = run([churn, report], instance, selection=[report])
    assert result.output_for_node("report") == {"eu": "# eu\n", "us": "# us\n", "日本": "# 日本\n"}


def test_several_partitions_come_as_a_dict_of_directories(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def report(churn: dict[str, Path]) -> list[str]:
        return [(directory / "README.md").read_text() for directory in churn.values()]

    for key in REGIONS.get_partition_keys():
        run([churn], instance, partition=key)
    result = run([churn, report], instance, selection=[report])
    assert result.output_for_node("report") == ["# eu\n", "# us\n", "# 日本\n"]


def test_the_kits_of_one_run_do_not_wait_for_each_other(instance: dg.DagsterInstance, faults: FaultProxy) -> None:
    many = dg.StaticPartitionsDefinition([str(number) for number in range(12)])

    @dg.asset(io_manager_key="modelkit", partitions_def=many, backfill_policy=dg.BackfillPolicy.single_run())
    def scores(context):
        return {key: ModelKitContents(docs={"README.md": key.encode()}) for key in context.partition_keys}

    def in_a_row_of(run_tags: dict[str, str], **options: Any) -> int:
        resource = KitOpsResource(registry=f"{faults.address}/{uuid.uuid4().hex[:8]}")
        faults.seen.clear()
        assert run([scores], instance, kitops=resource, keep="never", run_tags=run_tags, **options).success
        return in_a_row(faults.seen)

    faults.every = delay(0.02)  # a round trip
    one = in_a_row_of({}, partition="3")
    ends = {"dagster/asset_partition_range_start": "0", "dagster/asset_partition_range_end": "11"}
    assert in_a_row_of(ends) < 4 * one
    for key in many.get_partition_keys():
        kit = latest_kit(instance, scores.key, key)
        assert kit is not None
        with kitops.open(kit.pinned, where="registry") as opened:
            assert opened.read("README.md") == key.encode()


def test_several_partitions_for_one_kit_are_refused(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def report(churn: ModelKit) -> str:
        return churn.digest

    for key in REGIONS.get_partition_keys():
        run([churn], instance, partition=key)
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"3 partitions: annotate it as dict\[str, ModelKit\]"):
        run([churn, report], instance, selection=[report])


def test_one_run_for_several_partitions_gives_each_the_kit(instance: dg.DagsterInstance) -> None:
    ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "us"}
    run([churn], instance, run_tags=ends)
    with kitops.open("churn:eu") as eu, kitops.open("churn:us") as us:
        assert eu.digest == us.digest == data_version(instance, "churn")
        assert eu.read("README.md") == b"# eu, us\n"


def test_one_run_packs_a_kit_for_each_partition(instance: dg.DagsterInstance) -> None:
    @dg.asset(
        name="churn",
        io_manager_key="modelkit",
        partitions_def=REGIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def by_region(context):
        return {key: ModelKitContents(docs={"README.md": f"# {key}\n".encode()}) for key in context.partition_keys}

    @dg.asset
    def report(churn: dict[str, ModelKit]) -> dict[str, str]:
        return {key: kit.read_text("README.md") for key, kit in churn.items()}

    ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "日本"}
    run([by_region], instance, run_tags=ends)
    with kitops.open("churn:eu") as eu, kitops.open("churn:us") as us:
        assert eu.digest != us.digest
    result = run([by_region, report], instance, selection=[report])
    assert result.output_for_node("report") == {"eu": "# eu\n", "us": "# us\n", "日本": "# 日本\n"}
    before = data_version(instance, "churn")
    assert before.startswith("kits:")
    run([by_region], instance, run_tags=ends)
    assert data_version(instance, "churn") == before


def test_a_partition_without_a_kit_is_left_out_where_that_is_allowed(instance: dg.DagsterInstance) -> None:
    @dg.asset(ins={"churn": dg.AssetIn(metadata={"kitops/allow_missing": True})})
    def report(churn: dict[str, ModelKit]) -> list[str]:
        return list(churn)

    run([churn], instance, partition="us")
    assert run([churn, report], instance, selection=[report]).output_for_node("report") == ["us"]


def test_two_dimensions_are_one_tag(instance: dg.DagsterInstance) -> None:
    days = dg.StaticPartitionsDefinition(["2026-01-02", "2026-01-03"])
    both = dg.MultiPartitionsDefinition({"day": days, "region": REGIONS})

    @dg.asset(io_manager_key="modelkit", partitions_def=both)
    def daily(context):
        return ModelKitContents(docs={"README.md": context.partition_key.encode()})

    @dg.asset(partitions_def=both)
    def use(daily: ModelKit) -> str:
        return daily.read_text("README.md")

    for region in ("us", "日本"):
        key = dg.MultiPartitionKey({"day": "2026-01-02", "region": region})
        assert run([daily, use], instance, partition=key).output_for_node("use") == str(key)
    tags = sorted(record.tag for record in kitops.list_kits("daily"))
    assert len(tags) == 2
    assert tags[1].startswith("2026-01-02_us-")


def test_a_partition_takes_further_tags(instance: dg.DagsterInstance) -> None:
    @dg.asset(name="churn", io_manager_key="modelkit", partitions_def=REGIONS, metadata={"kitops/tags": ["newest"]})
    def tagged(context):
        return ModelKitContents(docs={"README.md": context.partition_key.encode()})

    run([tagged], instance, partition="eu")
    run([tagged], instance, partition="us")
    with kitops.open("churn:newest") as newest, kitops.open("churn:us") as us:
        assert newest.digest == us.digest

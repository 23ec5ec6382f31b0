"""Kits that something else packs: loaded, observed, and noticed when their tag is moved."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from runs import QUIET, data_version, metadata

import kitops_core as kitops
from dagster_kitops import (
    KitOpsResource,
    ModelKit,
    ModelKitContents,
    ModelKitIOManager,
    external_modelkit,
    modelkit_sensor,
    observable_modelkits,
)
from kitops_core.errors import InvalidInputError, InvalidReferenceError, NotFoundError

BASE = external_modelkit("base_llm", "vendor/llm:prod", group_name="vendor", kinds={"pytorch"})


@dg.asset(io_manager_key="modelkit")
def tuned(base_llm: ModelKit) -> ModelKitContents:
    return ModelKitContents(model=base_llm.read("model.bin") + b", tuned")


def definitions(*assets: object, **more: object) -> dg.Definitions:
    resource = KitOpsResource()
    return dg.Definitions(
        [tuned, *assets], resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)}, **more
    )


def materialize(defs: dg.Definitions, name: str, instance: dg.DagsterInstance) -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(name)], run_config=QUIET)


@pytest.fixture
def vendor(tmp_path: Path):
    """Packs what the vendor packs, and returns the digest."""

    def pack(weights: bytes) -> str:
        (tmp_path / "model.bin").write_bytes(weights)
        return kitops.pack(kitops.Contents(model=tmp_path / "model.bin"), "vendor/llm:prod").digest

    return pack


def test_an_external_kit_is_an_input_like_any_other(instance: dg.DagsterInstance, vendor) -> None:
    vendor(b"llm")
    materialize(definitions(BASE), "tuned", instance)
    with kitops.open("tuned:latest") as kit:
        assert kit.read("model.bin") == b"llm, tuned"


def test_an_external_kit_shows_what_it_is() -> None:
    assert BASE.kinds == {"kitops", "pytorch"}
    assert BASE.group_name == "vendor"
    assert BASE.metadata["kitops/reference"] == "vendor/llm:prod"


def test_a_reference_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidReferenceError):
        external_modelkit("base", "Vendor/LLM")


def test_a_kit_that_is_not_there_is_named(instance: dg.DagsterInstance) -> None:
    with pytest.raises(NotFoundError, match="vendor/llm:prod"):
        materialize(definitions(BASE), "tuned", instance)


def test_the_observed_digest_is_what_is_loaded(instance: dg.DagsterInstance, vendor) -> None:
    defs = definitions(observable_modelkits([BASE]))
    first = vendor(b"llm")
    materialize(defs, "base_llm", instance)
    vendor(b"llm 2")
    materialize(defs, "tuned", instance)
    with kitops.open("tuned:latest") as kit:
        assert kit.read("model.bin") == b"llm, tuned"
    assert metadata(instance, "tuned")["kitops/parents"] == [f"vendor/llm@{first}"]
    event = instance.get_latest_materialization_event(dg.AssetKey("tuned"))
    assert event is not None
    assert event.asset_materialization is not None
    assert (event.asset_materialization.tags or {})["dagster/input_data_version/base_llm"] == first


def test_a_kit_that_is_gone_is_not_observed(instance: dg.DagsterInstance) -> None:
    materialize(definitions(observable_modelkits([BASE])), "base_llm", instance)
    assert instance.get_latest_data_version_record(dg.AssetKey("base_llm")) is None


class Watched:
    """Ticks of the sensor."""

    def __init__(self, instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> None:
        self.defs = definitions(BASE, sensors=[sensor])
        self.sensor, self.instance, self.cursor = sensor, instance, None

    def tick(self):
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"kitops": KitOpsResource()}
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return result


def test_a_sensor_reports_a_tag_that_was_moved_and_nothing_else(instance: dg.DagsterInstance, vendor) -> None:
    watched = Watched(instance, modelkit_sensor([BASE]))
    assert "vendor/llm:prod" in watched.tick().skip_message
    first = vendor(b"llm")
    watched.tick()
    assert data_version(instance, "base_llm") == first
    assert watched.tick().skip_message == "no tag was moved"
    second = vendor(b"llm 2")
    watched.tick()
    assert data_version(instance, "base_llm") == second
    materialize(watched.defs, "tuned", instance)
    assert metadata(instance, "tuned")["kitops/parents"] == [f"vendor/llm@{second}"]


def test_a_sensor_asks_for_a_run_for_each_move_also_back(instance: dg.DagsterInstance, vendor) -> None:
    job = dg.define_asset_job("tune", selection=["tuned"])
    watched = Watched(instance, modelkit_sensor([BASE], job=job))
    keys = []
    for weights in (b"llm", b"llm 2", b"llm"):
        vendor(weights)
        keys += [request.run_key for request in watched.tick().run_requests]
    assert len(set(keys)) == 3


def test_an_asset_that_names_no_kit_is_refused() -> None:
    for make in (observable_modelkits, modelkit_sensor):
        with pytest.raises(InvalidInputError, match="'other' names no kit"):
            make([dg.AssetSpec("other")])

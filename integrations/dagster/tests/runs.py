"""Running assets in this process, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from dagster_kitops import KitOpsResource, ModelKitIOManager

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run(
    assets: Sequence[Any],
    instance: dg.DagsterInstance,
    *,
    kitops: KitOpsResource | None = None,
    selection: Any = None,
    partition: str | None = None,
    more: dict[str, Any] | None = None,
    run_tags: dict[str, str] | None = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    """Materialize assets; ``modelkit`` is the IO manager under test."""
    manager = ModelKitIOManager(kitops=kitops or KitOpsResource(), **options)
    return dg.materialize(
        assets,
        instance=instance,
        resources={"modelkit": manager, "io_manager": dg.mem_io_manager, **(more or {})},
        run_config=QUIET,
        selection=selection,
        partition_key=partition,
        tags=run_tags,
    )


def materialization(instance: dg.DagsterInstance, *key: str) -> dg.AssetMaterialization:
    """The latest materialization of an asset."""
    event = instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def metadata(instance: dg.DagsterInstance, *key: str) -> dict[str, Any]:
    """The metadata of an asset's latest materialization, as plain values."""
    return {name: value.value for name, value in materialization(instance, *key).metadata.items()}


def data_version(instance: dg.DagsterInstance, *key: str) -> str:
    """The data version of an asset's latest materialization."""
    return (materialization(instance, *key).tags or {})["dagster/data_version"]

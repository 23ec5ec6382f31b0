"""Kits that were packed and could not be pushed, kept in the local store until they are.

A step that Dagster retries runs the asset's body again, training and all. :func:`kept_kit` lets the body see that an
earlier attempt came as far as pushing, and hand over what that attempt packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

import kitops_core as kitops
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.naming import repository_of, tag_of_partition
from dagster_kitops.resources import KitOpsResource
from kitops_core.errors import KitOpsError
from kitops_core.reference import DEFAULT_TAG, parse_reference

if TYPE_CHECKING:
    import os

PREFIX = "unpushed/"


def kept_kit(context: dg.AssetExecutionContext, *, store: str = "") -> ModelKit | None:
    """The kit that an earlier attempt of this step packed and could not push, or ``None``.

    Returned from the asset, it is pushed as it is. Attempts are those of one run and of the runs that re-execute it;
    they must share a local store.

    Args:
        context: The asset's context.
        store: The local store's directory, where the resource names one.
    """
    partitions = list(context.partition_keys) if context.has_partition_key else []
    name = _name(context.run, context.asset_key, partitions)
    local = KitOpsResource(store=store)
    try:
        local.resolve(name)
    except KitOpsError:
        return None
    context.log.info(f"an earlier attempt packed {name} and could not push it")
    return ModelKit(local, name)


def keep(context: dg.OutputContext, resource: KitOpsResource, source: str | os.PathLike[str] | kitops.Contents) -> str:
    """Pack into the local store what could not be pushed; returns its name there, or an empty string."""
    name = _kept_name(context)
    if not name:
        return ""
    return kitops.pack(source, name, store=resource.store_path).reference


def forget(kit: ModelKit) -> None:
    """Let go of a kept kit that was pushed; any other kit stays."""
    reference = parse_reference(kit.reference)
    if reference.is_local_name and reference.repository.startswith(PREFIX):
        kitops.remove(str(reference.with_tag(reference.tag)), store=kit.kitops.store_path)


def _kept_name(context: dg.OutputContext) -> str:
    try:
        run = dg.OpExecutionContext.get().run
    except dg.DagsterInvariantViolationError:
        return ""
    partitions = list(context.asset_partition_keys) if context.has_asset_partitions else []
    return _name(run, context.asset_key, partitions) if context.has_asset_key else ""


def _name(run: dg.DagsterRun, key: dg.AssetKey, partitions: Sequence[str]) -> str:
    tag = tag_of_partition("|".join(partitions)) if partitions else DEFAULT_TAG
    return f"{PREFIX}{run.root_run_id or run.run_id}/{repository_of(key.path)}:{tag}"

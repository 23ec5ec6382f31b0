"""Kits that were packed and are not pushed yet, or could not be, kept in the local store until they are.

A step that Dagster retries runs the asset's body again, training and all. :func:`kept_kit` lets the body see that an
earlier attempt came as far as pushing, and hand over what that attempt packed. In the local store such a kit is
``unpushed/<run>/<repository>:<partition>``; `kitops gc` lists those that wait, and removes those that are too old.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from dagster_kitops.kit_ref import ModelKitRef
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import kits_of_run
from kitops_core import InvalidInputError, KitOpsError
from kitops_core.orchestrate.names import repository_of, tag_of
from kitops_core.orchestrate.scratch import UNPUSHED


def kept_kit(
    context: dg.AssetExecutionContext, *, key: dg.AssetKey | Sequence[str] | str | None = None, store: str = ""
) -> Any:
    """The kit that an earlier attempt of this step packed and did not get to push, or ``None``.

    Returned from the asset, it is pushed as it is. Attempts are those of one run and of the runs that re-execute it;
    they must share a local store. Where a step makes several assets, one that an earlier attempt of the run has pushed
    already is given as well.

    Args:
        context: The asset's context.
        key: Which asset, where the step makes several.
        store: The local store's directory, where the resource names one.

    Returns:
        A :class:`ModelKit` or :class:`ModelKitRef`; for a run of several partitions whose asset returned a mapping, a
        ``dict`` of them.

    Raises:
        InvalidInputError: The step makes several assets, and ``key`` names none of them.
    """
    partitions = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []
    asset = _asset(context, key)
    local = KitOpsResource(store=store)

    def found(partitions: Sequence[str]) -> ModelKit | None:
        name = kept_name(context.run, asset, partitions)
        try:
            local.resolve(name)
        except KitOpsError:
            return None
        context.log.info(f"an earlier attempt packed {name} and did not push it")
        return ModelKit(local, name)

    whole = found(partitions)
    if whole is not None:
        return whole
    if len(partitions) > 1:
        each = {partition: found([partition]) for partition in partitions}
        if all(each.values()):
            return each
    if context.retry_number == 0:
        return None
    pushed = kits_of_run(context.instance, asset, context.run.run_id)
    wanted: Sequence[str | None] = partitions or [None]
    kits = {partition: pushed.get(partition) for partition in wanted}
    refs = {partition: ModelKitRef(kit.named) for partition, kit in kits.items() if kit is not None and kit.reference}
    if len(refs) < len(wanted):
        return None
    return refs if len(refs) > 1 else next(iter(refs.values()))


def _asset(context: dg.AssetExecutionContext, key: dg.AssetKey | Sequence[str] | str | None) -> dg.AssetKey:
    made: set[dg.AssetKey] = set(context.selected_asset_keys)
    wanted = None if key is None else key if isinstance(key, dg.AssetKey) else dg.AssetKey(key)
    if wanted is None and len(made) == 1:
        return next(iter(made))
    if wanted is None or wanted not in made:
        names = ", ".join(sorted(one.to_user_string() for one in made))
        raise InvalidInputError(f"this step makes {names}", hint="say which of them: kept_kit(context, key='...')")
    return wanted


def kept_name(run: dg.DagsterRun, key: dg.AssetKey, partitions: Sequence[str]) -> str:
    """What the kit of an asset, or of some partitions of it, is called in the local store while it is kept."""
    tag = tag_of("|".join(partitions)) if partitions else "latest"
    return f"{UNPUSHED}{run.root_run_id or run.run_id}/{repository_of(key.path)}:{tag}"

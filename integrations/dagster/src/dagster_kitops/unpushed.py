"""Kits that were packed and could not be pushed, kept in the local store until they are.

A step that Dagster retries runs the asset's body again, training and all. :func:`kept_kit` lets the body see that an
earlier attempt came as far as pushing, and hand over what that attempt packed. In the local store such a kit is
``unpushed/<run>/<repository>:<partition>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import dagster as dg

from dagster_kitops.modelkit import ModelKit
from dagster_kitops.resources import KitOpsResource
from kitops_core import InvalidInputError, KitOpsError, parse_reference
from kitops_core.orchestrate.names import repository_of, tag_of

PREFIX = "unpushed/"


def kept_kit(
    context: dg.AssetExecutionContext, *, key: dg.AssetKey | Sequence[str] | str | None = None, store: str = ""
) -> Any:
    """The kit that an earlier attempt of this step packed and could not push, or ``None``.

    Returned from the asset, it is pushed as it is. Attempts are those of one run and of the runs that re-execute it;
    they must share a local store.

    Args:
        context: The asset's context.
        key: Which asset, where the step makes several.
        store: The local store's directory, where the resource names one.

    Returns:
        A :class:`ModelKit`; for a run of several partitions whose asset returned a mapping, a ``dict`` of them.

    Raises:
        InvalidInputError: The step makes several assets, and ``key`` names none of them.
    """
    partitions = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []
    asset = _asset(context, key)
    local = KitOpsResource(store=store)

    def found(partitions: Sequence[str]) -> ModelKit | None:
        name = _name(context.run, asset, partitions)
        try:
            local.resolve(name)
        except KitOpsError:
            return None
        context.log.info(f"an earlier attempt packed {name} and could not push it")
        return ModelKit(local, name)

    whole = found(partitions)
    if whole is not None or len(partitions) < 2:
        return whole
    each = {partition: found([partition]) for partition in partitions}
    return each if all(each.values()) else None


def kept_name(context: dg.OutputContext, partitions: Sequence[str]) -> tuple[str, str]:
    """The repository and tag in the local store under which an output is kept; empty where it cannot be."""
    try:
        run = dg.OpExecutionContext.get().run
    except dg.DagsterInvariantViolationError:  # outside a run there is no next attempt
        return "", ""
    if not context.has_asset_key:
        return "", ""
    name = parse_reference(_name(run, context.asset_key, partitions))
    return name.repository, name.tag


def forget(context: dg.OutputContext, resource: KitOpsResource, partitions: Sequence[str]) -> None:
    """Let go of what earlier attempts kept of an output that is pushed now."""
    for each in [list(partitions), *([partition] for partition in partitions)]:
        repository, tag = kept_name(context, each)
        if repository:
            with suppress(KitOpsError), resource.client() as client:  # there is none, as nearly always
                client.remove(f"{repository}:{tag}")


def _asset(context: dg.AssetExecutionContext, key: dg.AssetKey | Sequence[str] | str | None) -> dg.AssetKey:
    made: set[dg.AssetKey] = set(context.selected_asset_keys)
    wanted = None if key is None else key if isinstance(key, dg.AssetKey) else dg.AssetKey(key)
    if wanted is None and len(made) == 1:
        return next(iter(made))
    if wanted is None or wanted not in made:
        names = ", ".join(sorted(one.to_user_string() for one in made))
        raise InvalidInputError(f"this step makes {names}", hint="say which of them: kept_kit(context, key='...')")
    return wanted


def _name(run: dg.DagsterRun, key: dg.AssetKey, partitions: Sequence[str]) -> str:
    tag = tag_of("|".join(partitions)) if partitions else "latest"
    return f"{PREFIX}{run.root_run_id or run.run_id}/{repository_of(key.path)}:{tag}"

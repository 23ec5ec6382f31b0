"""Which kits a check looks at: those of its run and its partitions, and never a neighbour's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dagster_kitops.versioning import Partitions, RecordedKit, kits_of_run, latest_kit, partitions_of
from kitops_core import NotFoundError

Kits = Mapping[str | None, RecordedKit | None]
"""Kits by partition, or under ``None`` that of an asset without partitions; ``None`` where no kit was recorded."""


def kits_of_check(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> Kits:
    """The kits of an asset that a check in this run is about.

    Where the run, or one that it re-executes, made the asset, they are what that run made: another run may have made
    a newer one meanwhile. Otherwise they are the latest kits of the partitions that the run is for; where it is for
    none, of every partition that there is.

    Raises:
        NotFoundError: The run was to make the asset, and recorded no kit of it; or the asset has none at all; or which
            partitions the run is about cannot be told.
    """
    step = context.get_step_execution_context()
    partitions = partitions_of(step, key)
    made = _made(context.instance, key, context.run)
    return {**dict.fromkeys(partitions.of_run), **made} if made else latest_kits(context.instance, key, partitions)


def latest_kits(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Partitions) -> Kits:
    """The latest kits of the partitions that a run is for, or of every one there is; or that of an asset without any.

    Raises:
        NotFoundError: There is none.
    """
    if partitions.of_run:
        found: Kits = {each: latest_kit(instance, key, each) for each in partitions.of_run}
    elif partitions.known:
        last = instance.get_latest_materialization_event(key)
        of_last = last.asset_materialization.partition if last is not None and last.asset_materialization else None
        there = {*instance.get_materialized_partitions(key), *([of_last] if of_last else [])}  # its run may be deleted
        found = {each: latest_kit(instance, key, each) for each in sorted(there)}
    else:
        found = {None: latest_kit(instance, key)}
    if not any(found.values()):
        raise NotFoundError(f"{key.to_user_string()} has no kit yet", hint="materialize it")
    return found


def kit_for_check(context: dg.InputContext, partition: str | None) -> RecordedKit | None:
    """The kit that an input of a check's step is: what its run made of the asset, and no neighbour's.

    ``None`` for the inputs of anything else, and where the check's run made none.

    Raises:
        NotFoundError: The run was to make the asset, and recorded no kit of it.
    """
    try:
        step: Any = context.step_context
        if step.is_sda_step or not step.is_asset_check_step:
            return None
    except (AttributeError, dg.DagsterInvariantViolationError):  # outside a run
        return None
    return _made(step.instance, context.asset_key, step.dagster_run).get(partition)


def _made(instance: dg.DagsterInstance, key: dg.AssetKey, run: dg.DagsterRun) -> dict[Any, RecordedKit | None]:
    """What this run made of an asset, or else the run that it re-executes.

    Raises:
        NotFoundError: This run was to make it, and recorded nothing.
    """
    made = kits_of_run(instance, key, run.run_id)
    planned = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    if not made and any(entry.get_dagster_event().asset_key == key for entry in planned):
        raise NotFoundError("this run was to make the asset, and recorded no kit of it", hint="materialize it again")
    while not made and run.parent_run_id:
        before = instance.get_run_by_id(run.parent_run_id)
        if before is None:
            break
        run, made = before, kits_of_run(instance, key, before.run_id)
    return made

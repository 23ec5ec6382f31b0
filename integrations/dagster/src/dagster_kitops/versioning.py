"""Kit digests as Dagster's data versions, both ways. The only module that touches what Dagster has not made public.

Every use of it is guarded: where a Dagster release moves it, or outside a run, there is a public way to fall back to.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from kitops_core.reference import is_digest

DIGEST_KEY = "kitops/digest"
"""The metadata key that carries a kit's digest."""


def set_data_version(context: dg.OutputContext, digest: str) -> None:
    """Make the kit's digest the data version of the asset that is being stored.

    Nothing happens for an op's output and outside a run. A data version that the asset gives itself wins.
    """
    if not context.has_asset_key:
        return
    try:
        running = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return
    running.set_data_version(context.asset_key, dg.DataVersion(digest))


def recorded_digest(context: dg.InputContext, partition: str | None = None) -> str:
    """The digest of the upstream asset that Dagster records as this run's input, or an empty string.

    For an asset without partitions it is read from the very event that Dagster writes into the run's lineage, chosen
    when the step began: a kit that another run packs meanwhile is not loaded by chance. Dagster keeps no such event
    for each partition, so there, and outside a run, it is the latest materialization.
    """
    instance = _instance(context)
    if partition is None:
        info = _input_version(context)
        if info is not None:
            digest = _materialized(instance, context.asset_key, storage_ids=[info.storage_id])
            if digest:
                return digest
            version = getattr(info.data_version, "value", "")
            return version if is_digest(version) else ""
    return _materialized(instance, context.asset_key, asset_partitions=None if partition is None else [partition])


def _input_version(context: dg.InputContext) -> Any:
    """Dagster's own note of which version of the asset this step reads, or ``None``."""
    try:
        return context.step_context.maybe_fetch_and_get_input_asset_version_info(context.asset_key)
    except (AttributeError, TypeError, dg.DagsterError):
        return None


def _instance(context: dg.InputContext) -> dg.DagsterInstance | None:
    try:
        return context.instance
    except dg.DagsterInvariantViolationError:
        return None


def _materialized(instance: dg.DagsterInstance | None, key: dg.AssetKey, **chosen: Any) -> str:
    """The digest in the latest of the materializations chosen, or an empty string."""
    if instance is None:
        return ""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, **chosen), limit=1).records
    for record in records:
        if record.asset_materialization is not None and DIGEST_KEY in record.asset_materialization.metadata:
            return str(record.asset_materialization.metadata[DIGEST_KEY].value)
    return ""

"""Kit digests as Dagster's data versions, both ways. The only module that touches what Dagster has not made public.

Every use of it is guarded: where a Dagster release moves it, or outside a run, there is a public way to fall back to.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import dagster as dg

from dagster_kitops.identity import DIGEST_KEY, REFERENCE_KEY
from kitops_core import KitOpsError, is_digest, parse_reference

if TYPE_CHECKING:
    from dagster_kitops.modelkit import ModelKit

_CHECKS_LOOKED_AT = 100
"""How many results of a check are looked through, newest first, for one about the digest asked for."""


_LOADED: WeakKeyDictionary[Any, dict[dg.AssetKey, list[ModelKit]]] = WeakKeyDictionary()
"""The kits that each running step was given. A step's inputs and outputs are handled in one process."""


class RecordedKit(NamedTuple):
    """What Dagster recorded of a kit.

    Attributes:
        reference: Its full reference, or an empty string where only a data version was recorded.
        digest: Its digest.
    """

    reference: str
    digest: str

    @property
    def pinned(self) -> str:
        """The reference with the digest instead of the tag."""
        return str(parse_reference(self.reference).with_digest(self.digest))


def set_data_version(context: dg.OutputContext, version: str) -> None:
    """Make the kit's digest the data version of the asset that is being stored.

    Nothing happens for an op's output and outside a run. A data version that the asset gives itself wins.
    """
    if not context.has_asset_key:
        return
    try:
        running = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return
    running.set_data_version(context.asset_key, dg.DataVersion(version))


def recorded_kit(context: dg.InputContext, partition: str | None = None) -> RecordedKit | None:
    """The kit of the upstream asset that Dagster records as this run's input, or ``None``.

    For an asset without partitions it is read from the very event that Dagster writes into the run's lineage, chosen
    when the step began: a kit that another run packs meanwhile is not loaded by chance. Dagster keeps no such event
    for each partition, so there, and outside a run, it is the latest materialization.
    """
    instance = _instance(context)
    if partition is None:
        info = _input_version(context)
        if info is not None:
            found = _materialized(instance, context.asset_key, storage_ids=[info.storage_id])
            if found is not None:
                return found
            version = getattr(info.data_version, "value", "")
            return RecordedKit("", version) if is_digest(version) else None
    return _materialized(instance, context.asset_key, asset_partitions=None if partition is None else [partition])


def latest_kit(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> RecordedKit | None:
    """The kit of an asset's latest materialization, or ``None``."""
    return _materialized(instance, key, asset_partitions=None if partition is None else [partition])


def dependency_kit(context: dg.AssetExecutionContext, key: dg.AssetKey) -> RecordedKit | None:
    """The kit of an asset that this step depends on without loading it, as Dagster records it, or ``None``."""
    instance = context.instance
    try:
        step = context.get_step_execution_context()
        info = step.maybe_fetch_and_get_input_asset_version_info(key)
    except (AttributeError, TypeError, dg.DagsterError):
        return latest_kit(instance, key)
    if info is None:
        return None
    return _materialized(instance, key, storage_ids=[info.storage_id]) or _observed(step, key, info)


def check_of_digest(instance: dg.DagsterInstance, key: dg.AssetCheckKey, digest: str) -> bool | None:
    """What a check said when it last looked at this very digest; ``None`` where it never did.

    It looked at the digest that its result names, or else at the kit of the materialization that it is about.
    """
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_CHECKS_LOOKED_AT):
        event = record.event.dagster_event if record.event is not None else None
        if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        evaluation = event.asset_check_evaluation_data
        seen = evaluation.metadata.get(DIGEST_KEY)
        looked_at = str(seen.value) if seen is not None else ""
        if not looked_at and evaluation.target_materialization_data is not None:
            storage_id = evaluation.target_materialization_data.storage_id
            kit = _materialized(instance, key.asset_key, storage_ids=[storage_id])
            looked_at = kit.digest if kit is not None else ""
        if looked_at == digest:
            return bool(evaluation.passed)
    return None


def note_loaded(context: dg.InputContext, kit: ModelKit) -> None:
    """Remember which kit a step was given, for the parents of what it makes: it need not be the latest one."""
    try:
        step = context.step_context
    except (AttributeError, dg.DagsterInvariantViolationError):
        return
    if context.has_asset_key:
        _LOADED.setdefault(step, {}).setdefault(context.asset_key, []).append(kit)


def input_kits(context: dg.OutputContext) -> list[str]:
    """References, pinned by digest, of the kits among the inputs of the step that makes this output.

    They are the kits that the step was given, whatever partition or pin chose them, and, of the assets that it
    depends on without loading them, those that Dagster records. Of partitions that are not loaded it records none.
    """
    try:
        step = context.step_context
        versions = dict(step.input_asset_records or {})
        instance = step.instance
    except (AttributeError, TypeError, dg.DagsterError):
        return []
    loaded = _LOADED.get(step, {})
    kits = []
    for kit in (kit for each in loaded.values() for kit in each):
        with suppress(KitOpsError):  # a handle that nobody used, to a kit that is not there
            kits.append(kit.reference)
    for key, info in versions.items():
        if info is None or key in loaded or _partitioned(step, key):
            continue
        found = _materialized(instance, key, storage_ids=[info.storage_id]) or _observed(step, key, info)
        if found is not None and found.reference:
            kits.append(found.pinned)
    return list(dict.fromkeys(kits))


def describe_partition(context: dg.OutputContext, partition: str, metadata: dict[str, Any]) -> None:
    """Give one partition of the asset that is being stored metadata of its own.

    Raises:
        DagsterInvalidDefinitionError: This release of Dagster cannot, or this is outside a run.
    """
    try:
        context.step_context.add_asset_metadata(metadata=metadata, asset_key=context.asset_key, partition_key=partition)
    except (AttributeError, TypeError, dg.DagsterInvariantViolationError) as error:
        raise dg.DagsterInvalidDefinitionError(
            "here a run cannot say more of one partition than of another: return one kit for all of them, or take "
            "one partition a run (dg.BackfillPolicy.multi_run())"
        ) from error


def _input_version(context: dg.InputContext) -> Any:
    """Dagster's own note of which version of the asset this step reads, or ``None``."""
    try:
        return context.step_context.maybe_fetch_and_get_input_asset_version_info(context.asset_key)
    except (AttributeError, TypeError, dg.DagsterError):
        return None


def _observed(step: Any, key: dg.AssetKey, info: Any) -> RecordedKit | None:
    """The kit of an asset that Dagster does not make, by its definition and the version observed."""
    version = getattr(info.data_version, "value", "")
    try:
        reference = step.job_def.asset_layer.get(key).metadata.get(REFERENCE_KEY, "")
    except (AttributeError, KeyError, dg.DagsterError):
        return None
    return RecordedKit(str(reference), version) if is_digest(version) else None


def _partitioned(step: Any, key: dg.AssetKey) -> bool:
    try:
        return step.job_def.asset_layer.get(key).partitions_def is not None
    except (AttributeError, KeyError, dg.DagsterError):
        return False


def _instance(context: dg.InputContext) -> dg.DagsterInstance | None:
    try:
        return context.instance
    except dg.DagsterInvariantViolationError:
        return None


def _materialized(instance: dg.DagsterInstance | None, key: dg.AssetKey, **chosen: Any) -> RecordedKit | None:
    """The kit of the latest of the materializations chosen, or ``None``."""
    if instance is None:
        return None
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, **chosen), limit=1).records
    for record in records:
        if record.asset_materialization is not None and DIGEST_KEY in record.asset_materialization.metadata:
            metadata = record.asset_materialization.metadata
            reference = metadata.get(REFERENCE_KEY)
            return RecordedKit(str(reference.value) if reference else "", str(metadata[DIGEST_KEY].value))
    return None

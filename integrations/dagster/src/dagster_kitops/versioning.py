"""Kit digests as Dagster's data versions, both ways. The only module that touches what Dagster has not made public.

Every use of it is guarded: where a Dagster release moves it, or outside a run, there is a public way to fall back to.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import dagster as dg

from dagster_kitops.identity import DIGEST_KEY, REFERENCE_KEY, VERDICTS_KEY
from kitops_core import KitOpsError, NotFoundError, is_digest, parse_reference

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
    def named(self) -> str:
        """The reference with its tag and the digest."""
        return f"{self.reference}@{self.digest}" if "@" not in self.reference else self.reference

    @property
    def pinned(self) -> str:
        """The reference with the digest instead of the tag."""
        return str(parse_reference(self.reference).with_digest(self.digest))


class Partitions(NamedTuple):
    """The partitions of an asset that a run is about.

    Attributes:
        known: Whether the asset has partitions.
        of_run: Those that the run is for; none where it is for no partition.
    """

    known: bool
    of_run: list[str]


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

    Raises:
        NotFoundError: The asset was materialized, and of this partition there is no event: what a tag means now may
            be another kit than the one whose run was deleted.
    """
    instance = _instance(context)
    if instance is None:
        return None
    if partition is None:
        info = _input_version(context)
        if info is not None:
            found = _kit_of(_event(instance, context.asset_key, info))
            if found is not None:
                return found
            version = getattr(info.data_version, "value", "")
            return RecordedKit("", version) if is_digest(version) else None
        return latest_kit(instance, context.asset_key)
    event = _latest_event(instance, context.asset_key, partition)
    if event is None and instance.get_latest_materialization_event(context.asset_key) is not None:
        raise NotFoundError(
            f"Dagster has no materialization of partition '{partition}' of {context.asset_key.to_user_string()}: "
            "it was never made here, or its run was deleted",
            hint="materialize it, or say which kit is meant: 'kitops/digest' or 'kitops/tag' in the input's metadata",
        )
    return _kit_of(event)


def latest_kit(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> RecordedKit | None:
    """The kit of the latest materialization of an asset, or of one of its partitions; ``None`` where it has none."""
    return _kit_of(_latest_event(instance, key, partition))


def kits_of_run(instance: dg.DagsterInstance, key: dg.AssetKey, run_id: str) -> dict[str | None, RecordedKit | None]:
    """By partition, the kits of an asset that one run's materialization events record; of events without one ``None``.

    An asset without partitions is under ``None``.
    """
    found: dict[str | None, RecordedKit | None] = {}
    for event in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        if event.asset_materialization is not None and event.asset_materialization.asset_key == key:
            found[event.asset_materialization.partition] = _kit_of(event)
    return found


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
    return _kit_of(_event(instance, key, info)) or _observed(step, key, info)


def check_of_digest(instance: dg.DagsterInstance, key: dg.AssetCheckKey, digest: str) -> bool | None:
    """What a check said when it last looked at this very digest; ``None`` where it never did.

    It looked at the digests that its result names, or else at the kit of the materialization that it is about.
    """
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_CHECKS_LOOKED_AT):
        event = record.event.dagster_event if record.event is not None else None
        if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        evaluation = event.asset_check_evaluation_data
        several = evaluation.metadata.get(VERDICTS_KEY)
        if several is not None:
            verdicts: Any = several.value
            if digest in verdicts:
                return bool(verdicts[digest])
            continue
        seen = evaluation.metadata.get(DIGEST_KEY)
        looked_at = str(seen.value) if seen is not None else ""
        if not looked_at and evaluation.target_materialization_data is not None:
            kit = _kit_of(_event(instance, key.asset_key, evaluation.target_materialization_data))
            looked_at = kit.digest if kit is not None else ""
        if looked_at == digest:
            return bool(evaluation.passed)
    return None


def has_run(context: dg.InputContext) -> bool:
    """Whether an input is loaded in a run, and not by somebody who asked for it outside of one."""
    try:
        return context.step_context is not None
    except (AttributeError, dg.DagsterInvariantViolationError):
        return False


def gathers(context: dg.InputContext) -> bool:
    """Whether the input's partition mapping gathers partitions, also where there is but one of them now.

    Where it cannot be told, outside a run for example, how many partitions there are decides.
    """
    try:
        step = context.step_context
        assets: Any = step.job_def.asset_layer.get_assets_def_for_node(step.node_handle)
        mapping = assets.get_partition_mapping(context.asset_key)
        ours, theirs = assets.partitions_def, context.asset_partitions_def
    except (AttributeError, KeyError, dg.DagsterError):
        return False
    if isinstance(mapping, dg.TimeWindowPartitionMapping):
        return bool(mapping.start_offset != mapping.end_offset)
    multi = isinstance(theirs, dg.MultiPartitionsDefinition) and not isinstance(ours, dg.MultiPartitionsDefinition)
    return isinstance(mapping, dg.AllPartitionMapping) or (mapping is None and (ours is None or multi))


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
        if info is None or key in loaded or _partitions_def(step, key) is not None:
            continue
        found = _kit_of(_event(instance, key, info)) or _observed(step, key, info)
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


def input_versions(
    instance: dg.DagsterInstance, key: dg.AssetKey, upstream: Sequence[dg.AssetKey], digest: str
) -> dict[str, str]:
    """The tags by which Dagster sees that an asset was made of a kit that its upstream asset may not have any more.

    Args:
        instance: Dagster's instance.
        key: The asset.
        upstream: What it is made of, by its definition; otherwise what its last materialization was made of.
        digest: The kit.
    """
    prefix = "dagster/input_data_version/"
    last = instance.get_latest_materialization_event(key)
    tags = (last.asset_materialization.tags if last is not None and last.asset_materialization else None) or {}
    names = {f"{prefix}{each.to_user_string()}" for each in upstream} or {tag for tag in tags if tag.startswith(prefix)}
    same = {name: value for name, value in tags.items() if name == "dagster/code_version"}
    return {**same, **dict.fromkeys(sorted(names), digest)}


def partitions_of(step: Any, key: dg.AssetKey) -> Partitions:
    """Which partitions of an asset a run is for, and whether the asset has any.

    Raises:
        NotFoundError: The run is for partitions that are not the asset's.
    """
    definition = _partitions_def(step, key)
    if definition is None:
        event = step.instance.get_latest_materialization_event(key)  # of another code location there is the event
        partitioned = event is not None and event.asset_materialization.partition is not None
        return Partitions(partitioned, [step.partition_key] if partitioned and step.has_partition_key else [])
    if not step.has_partitions:
        return Partitions(True, [])
    ends = step.partition_key_range
    from dagster._core.definitions.partitions.context import partition_loading_context

    try:
        with partition_loading_context(dynamic_partitions_store=step.instance):
            keys = definition.get_partition_keys_in_range(ends)
    except (dg.DagsterError, ValueError, KeyError) as error:
        raise NotFoundError(
            f"this run is for the partitions {ends.start} to {ends.end}, and {key.to_user_string()} has other ones",
            hint="run the check with the partitions of its asset, or without partitions for all of them",
        ) from error
    return Partitions(True, [str(each) for each in keys])


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


def _partitions_def(step: Any, key: dg.AssetKey) -> dg.PartitionsDefinition[str] | None:
    try:
        found: dg.PartitionsDefinition[str] | None = step.job_def.asset_layer.get(key).partitions_def
    except (AttributeError, KeyError, dg.DagsterError):
        return None
    return found


def _instance(context: dg.InputContext) -> dg.DagsterInstance | None:
    try:
        return context.instance
    except dg.DagsterInvariantViolationError:
        return None


def _event(instance: dg.DagsterInstance, key: dg.AssetKey, named: Any) -> dg.EventLogEntry | None:
    """The materialization that a storage id and a run name, also where its run was deleted, if it is the latest."""
    chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=[named.storage_id])
    for record in instance.fetch_materializations(chosen, limit=1).records:
        return record.event_log_entry
    last = instance.get_latest_materialization_event(key)
    return last if last is not None and last.run_id == named.run_id else None


def _latest_event(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> dg.EventLogEntry | None:
    """The latest materialization of an asset or of a partition.

    With a run its events go, and an older one would be the latest. Dagster keeps the asset's last event beside them.
    """
    last = instance.get_latest_materialization_event(key)
    if last is None or partition is None:
        return last
    chosen = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    found = [record.event_log_entry for record in instance.fetch_materializations(chosen, limit=1).records]
    if last.asset_materialization is not None and last.asset_materialization.partition == partition:
        found.append(last)
    return max(found, key=lambda event: event.timestamp, default=None)


def _kit_of(event: dg.EventLogEntry | None) -> RecordedKit | None:
    """The kit that a materialization records, or ``None``."""
    materialization = event.asset_materialization if event is not None else None
    if materialization is None or DIGEST_KEY not in materialization.metadata:
        return None
    reference = materialization.metadata.get(REFERENCE_KEY)
    return RecordedKit(str(reference.value) if reference else "", str(materialization.metadata[DIGEST_KEY].value))

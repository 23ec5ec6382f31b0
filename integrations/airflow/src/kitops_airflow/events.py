"""What an asset event says of a kit, whoever made the event."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow.providers.common.compat.sdk import Asset
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

import kitops_core as kitops
from kitops_airflow.assets import is_modelkit
from kitops_airflow.uris import reference_of
from kitops_core import InvalidInputError, InvalidReferenceError, NotFoundError, parse_reference

log = logging.getLogger(__name__)

Origin = Literal["task", "watcher", "rest", "now"]

_NEEDED = "was it made by hand? its extra needs digest: sha256:<64 hex>"


def alias_extra(record: kitops.ModelKitRecord) -> dict[str, Any]:
    """The ``extra`` of an event that goes through an alias.

    Airflow 2 takes no lists and mappings there, so the record is a string beside its simple values.
    """
    from kitops_core.orchestrate.metadata import record_metadata

    extra = record_metadata(record)
    if AIRFLOW_V_3_0_PLUS:
        return extra
    simple = {key: value for key, value in extra.items() if not isinstance(value, (list, dict))}
    return {**simple, "record": json.dumps(extra)}


def partition_of(context: Mapping[str, Any]) -> str:
    """The partition key of the run, which is its events' too; empty where it has none, and before Airflow 3.2."""
    return getattr(context.get("dag_run"), "partition_key", None) or ""


@dataclass(frozen=True)
class ModelKitEvent:
    """A kit that an asset event tells of.

    Attributes:
        digest: The kit's digest.
        reference: The kit, pinned to its digest: what to pull, verify or promote.
        tag: The tag it was given or found under, or an empty string.
        changed: Whether the tag moved; true where the event does not say.
        previous_digest: What the tag pointed at before, or an empty string.
        parents: References, pinned by digest, of the kits it was made from.
        source: What made it: ``orchestrator``, ``pipeline``, ``run``, ``task``, ``url``, ``git_sha``.
        origin: ``task`` (an operator), ``watcher`` (a tag that moved), ``rest`` (posted by another program) or ``now``
            (there was no such event, and the tag was looked up).
        extra: All that the event carries.
    """

    digest: str
    reference: str
    tag: str = ""
    changed: bool = True
    previous_digest: str = ""
    parents: tuple[str, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = "task"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_extra(extra: Mapping[str, Any], asset: Asset | None = None) -> ModelKitEvent:
        """Read an event's ``extra``: what an operator wrote, what a watcher saw, or what was posted over REST.

        Args:
            extra: The event's ``extra``. Only ``digest`` is needed.
            asset: The event's asset, for an ``extra`` that does not say where the kit is.

        Raises:
            InvalidInputError: It has no digest, or does not say where the kit is.
        """
        origin: Origin = "rest" if extra.get("from_rest_api") else "watcher" if extra.get("from_trigger") else "task"
        payload = extra.get("payload") if origin == "watcher" else extra
        if isinstance(extra.get("record"), str):  # see alias_extra
            payload = json.loads(extra["record"])
        if not isinstance(payload, Mapping) or not payload.get("digest"):
            raise InvalidInputError("the asset event names no digest", hint=_NEEDED)
        kit = _kit(payload, asset)
        return ModelKitEvent(
            digest=kit.digest,
            reference=str(kit),
            tag=str(payload.get("tag") or ""),
            changed=bool(payload.get("changed", True)),
            previous_digest=str(payload.get("previous_digest") or ""),
            parents=tuple(payload.get("parents") or ()),
            source=dict(payload.get("source") or {}),
            origin=origin,
            extra=dict(payload),
        )

    @staticmethod
    def latest(
        context: Mapping[str, Any], asset: Asset, kitops_conn_id: str | Sequence[str] = "kitops_default"
    ) -> ModelKitEvent | None:
        """The newest kit of an asset: of the events that started this run, else of all; on Airflow 2 only of an inlet.

        Events that name no digest are passed over: they were made by hand, on the asset's page or over REST, or by a
        task that succeeded without writing the asset. Where such a one started the run, and the asset is that of a tag,
        the kit is the one that the tag has now. In a run of a partition that no event started, the newest event of this
        partition is taken, where there is one.

        Args:
            context: The task's context.
            asset: The asset.
            kitops_conn_id: The connection to look the tag up with.

        Raises:
            DeniedError, RegistryError: The tag was to be looked up, and the registry refused or failed.
        """
        started = _triggering(context, asset)
        found = _newest(started, asset)
        if found is None and started:
            found = _now(asset, kitops_conn_id)
        return found or _newest(_inlet(context, asset), asset)

    @staticmethod
    def triggering(context: Mapping[str, Any]) -> list[ModelKitEvent]:
        """The kits of all events that started this run, each once, also of those that came through an alias.

        Airflow lists an event of an alias twice, under the alias and under its asset.

        Args:
            context: The task's context.
        """
        started = context.get("triggering_asset_events")
        if started is None:
            started = context.get("triggering_dataset_events") or {}
        found: dict[tuple[str, str, str], ModelKitEvent] = {}
        for key in started:
            if isinstance(key, (str, Asset)):  # and no alias; Airflow 2 has URIs
                asset = key if isinstance(key, Asset) else Asset(key)
                for event in started[key]:
                    if (kit := _read(event, asset)) is not None:
                        found[kit.reference, kit.tag, str(getattr(event, "timestamp", ""))] = kit
        return list(found.values())

    @property
    def record(self) -> kitops.ModelKitRecord | None:
        """The kit's whole record, where the event carries it."""
        return kitops.ModelKitRecord.from_dict(self.extra) if "schema" in self.extra else None


def _kit(payload: Mapping[str, Any], asset: Asset | None) -> kitops.Reference:
    """The kit that an event names, pinned to its digest."""
    if payload.get("registry") and payload.get("repository"):
        name = f"{payload['registry']}/{payload['repository']}"
    elif asset is not None:
        name = reference_of(asset).name
    else:
        raise InvalidInputError("the asset event does not say where the kit is", hint="pass its asset too")
    try:
        return parse_reference(f"{name}@{payload['digest']}")
    except InvalidReferenceError as error:
        raise InvalidInputError(f"the asset event names no digest: {error.message}", hint=_NEEDED) from None


def _newest(events: Sequence[Any], asset: Asset) -> ModelKitEvent | None:
    return next((kit for event in reversed(events) if (kit := _read(event, asset)) is not None), None)


def _read(event: Any, asset: Asset) -> ModelKitEvent | None:
    """What an event says; ``None``, and a warning, where it names no kit."""
    try:
        return ModelKitEvent.from_extra(event.extra or {}, asset)
    except InvalidInputError as error:
        log.warning("an event of %s is passed over: %s", asset.uri, error)
        return None


def _now(asset: Asset, kitops_conn_id: str | Sequence[str]) -> ModelKitEvent | None:
    """The kit that the asset's tag has now; ``None`` where it is the asset of a repository, or there is none."""
    from kitops_airflow.hooks.kitops import KitOpsHook

    if not is_modelkit(asset) or not (reference := reference_of(asset)).tag:
        return None
    try:
        with KitOpsHook(kitops_conn_id).get_conn() as client:
            digest = client.resolve(str(reference), where="registry")
    except NotFoundError:
        return None
    log.info("%s is %s now", reference, digest)
    return ModelKitEvent(digest, str(reference.with_digest(digest)), tag=reference.tag, origin="now")


def _triggering(context: Mapping[str, Any], asset: Asset) -> Sequence[Any]:
    events = context.get("triggering_asset_events")
    if events is None:  # Airflow 2, where it is a dictionary by URI
        datasets: Mapping[str, Sequence[Any]] = context.get("triggering_dataset_events") or {}
        return list(datasets.get(asset.uri, ()))
    try:
        return list(events[asset])
    except KeyError:
        return ()


def _inlet(context: Mapping[str, Any], asset: Asset) -> Sequence[Any]:
    try:
        events = list(context["inlet_events"][asset])
    except KeyError:  # no inlet, or that of a mapped task, which Airflow does not know of before the task is made
        if not AIRFLOW_V_3_0_PLUS:
            return ()
        from airflow.sdk.execution_time.context import InletEventsAccessors

        events = list(InletEventsAccessors([asset])[asset])
    partition = partition_of(context)
    return [event for event in events if partition and getattr(event, "partition_key", None) == partition] or events

"""A kit that is made in a task run: its asset, its event, its card and its progress come along."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect.context import TaskRunContext

import kitops_core as kitops
from kitops_core.orchestrate.metadata import record_metadata
from prefect_kitops.artifacts import publish_card
from prefect_kitops.assets import Upstream, add_record, kits_of, materializes, upstream_assets, upstream_keys
from prefect_kitops.connection import Registry, as_path, connect
from prefect_kitops.events import emit_kit_event
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_logger
from prefect_kitops.source import flow_parameters, provenance_of

Work = Callable[[kitops.Client, str, bool, kitops.Provenance], kitops.ModelKitRecord]
"""Makes a kit: given a client, the kit's full reference, whether that is in a registry, and how it was made."""


def make_kit(
    reference: str,
    work: Work,
    *,
    upstream: Sequence[Upstream] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    registry: Registry = None,
    card: bool = True,
) -> ModelKitRef:
    """Make a kit in the task run at hand and tell Prefect: as an asset, an event, a card, and while it goes on.

    Args:
        reference: Where the kit goes.
        work: Makes it.
        upstream: What it is made from.
        metrics: Figures that were measured.
        parameters: What the run was given; by default what its flow was given.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card.

    Raises:
        KitOpsError: As what ``work`` calls.
    """
    connection = connect(registry)
    place = connection.reference(reference)
    _note_overwriting(place)
    with Progress(f"packing {reference}") as progress:
        client = connection.client(on_event=progress.update)
        materializes(place, connection.url(place), upstream_assets(upstream))
        provenance = provenance_of(
            flow_parameters() if parameters is None else parameters, metrics or {}, kits_of(upstream), upstream_keys()
        )
        record = work(client, str(place), place.in_registry, provenance)
        if record.origin:  # an import knows what it was made from once it is made; its version is in the metadata
            materializes(place, connection.url(place), upstream_assets([record.origin.partition("@")[0]]))
    with client:
        kit = ModelKitRef.of(record)
        add_record(kit, record)
        emit_kit_event(
            "pushed" if place.in_registry else "packed", kit, record_metadata(record), parents=record.parents
        )
        outcome = "changed" if kit.changed else "unchanged"
        run_logger().info("%s", f"{outcome} {kit}, {record.sent} of {kit.size} bytes sent")
        if card:
            publish_card(kit, connection, client)
    return kit


_written: OrderedDict[tuple[str, str, str], str] = OrderedDict()
_MAX_WRITTEN = 1000


def _note_overwriting(place: kitops.Reference) -> None:
    """Warn where several runs of one task in one flow run write the same tag, as a mapped one does by mistake."""
    context = TaskRunContext.get()
    if context is None or not context.task_run.flow_run_id:
        return
    run, written = str(context.task_run.id), f"{place.name}:{place.tag or 'latest'}"
    if _written.setdefault((str(context.task_run.flow_run_id), context.task.task_key, written), run) != run:
        run_logger().warning(
            "%s",
            f"another run of {context.task.name} in this flow run writes {written}, too, and the last one keeps it: "
            "give each run a name or tag of its own",
        )
    while len(_written) > _MAX_WRITTEN:
        _written.popitem(last=False)


def pack_kit(
    source: kitops.Location | kitops.Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    how: kitops.Packing | None = None,
    **about: Any,
) -> ModelKitRef:
    """Pack in the task run at hand; see :func:`make_kit` for what else it takes.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.pack`.
    """

    def work(client: kitops.Client, place: str, push: bool, provenance: kitops.Provenance) -> kitops.ModelKitRecord:
        return client.pack(
            as_path(source) if isinstance(source, (str, os.PathLike)) else source,
            place,
            push=push,
            tags=tags,
            kitfile=as_path(kitfile) if kitfile is not None else None,
            how=how,
            provenance=provenance,
        )

    return make_kit(reference, work, **about)

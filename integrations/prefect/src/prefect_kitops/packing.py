"""A kit that is made in a task run: its asset, its event, its card and its progress come along."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from prefect_kitops import kits
from prefect_kitops.artifacts import publish_card
from prefect_kitops.assets import add_record, materializes, upstream_assets
from prefect_kitops.connection import Kit, RegistryBlock, find_place
from prefect_kitops.events import emit_kit_event, slim
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import hints, run_logger
from prefect_kitops.source import current_source, provenance_of

if TYPE_CHECKING:
    from kitops_core.events import Cancel
    from kitops_core.kits.packed_layer import CompressionName
    from kitops_core.record import ModelKitRecord
    from kitops_core.sources.contents import Contents


def pack_and_tell(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    **about: Any,
) -> ModelKitRef:
    """Pack in the task run at hand: the asset, the event, the card and the progress come along.

    Raises:
        KitOpsError: As :func:`kitops_core.pack`.
    """

    def work(**options: Any) -> ModelKitRecord:
        return kits.pack(
            source,
            reference,
            tags=tags,
            kitfile=kitfile,
            compression=compression,
            layer_format=layer_format,
            key=key,
            registry=registry,
            **options,
        )

    return tell(reference, work, registry=registry, **about)


def tell(
    reference: str,
    work: Callable[..., ModelKitRecord],
    *,
    parents: Sequence[Kit] = (),
    upstream: Sequence[Kit] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
    cancel: Cancel | None = None,
) -> ModelKitRef:
    """Make a kit in the task run at hand and tell Prefect: as an asset, an event, a card, and while it goes on.

    Args:
        reference: Where the kit goes.
        work: Makes it, given the run, the provenance, a callback for progress and a switch that stops it.
        parents: Kits it is made from.
        upstream: Other assets it is made from.
        metrics: Figures that were measured.
        parameters: What the run was given.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card.
        cancel: A switch that stops between buffers.

    Raises:
        KitOpsError: As what ``work`` calls.
    """
    with hints(), Progress(f"packing {reference}") as progress:
        place = find_place(reference, registry)
        materializes(place, upstream_assets(upstream, parents))
        record = work(
            made_by=current_source(),
            provenance=provenance_of(parameters or {}, metrics or {}, parents),
            on_event=progress.update,
            cancel=cancel,
        )
    kit = ModelKitRef.of(record)
    add_record(kit, record)
    emit_kit_event("pushed" if place.remote else "packed", kit, slim(record), parents=record.parents)
    outcome = "changed" if kit.changed else "unchanged"
    run_logger().info("%s", f"{outcome} {kit}, {record.sent} of {kit.size} bytes sent")
    if card:
        publish_card(kit, registry=registry)
    return kit

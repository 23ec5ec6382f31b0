"""Tasks that pack a kit in parts, wherever the files are, and put it together: one digest however many took part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import kitops_core as kitops
from prefect_kitops.assets import Upstream
from prefect_kitops.connection import Registry, as_path, connect
from prefect_kitops.packing import make_kit
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_name, twins


@twins("pack-modelkit-layers", run_name("pack", "entries"))
def _pack_layers(
    source: kitops.Location,
    reference: str,
    entries: str | Sequence[str],
    *,
    kitfile: str | os.PathLike[str] | None = None,
    how: kitops.Packing | None = None,
    registry: Registry = None,
) -> list[dict[str, Any]]:
    """Pack some entries of a kit into its repository; ``assemble_modelkit`` makes the kit of all of them.

    Args:
        source: A directory with the files of these entries; those of others need not be there.
        reference: The repository.
        entries: The entries to pack, by their paths in the Kitfile.
        kitfile: The Kitfile of the whole kit, where it is not in the directory.
        how: As for ``pack_modelkit``; the same in every part.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Returns:
        The layers as JSON.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.pack_layers`.
    """
    connection = connect(registry)
    place = connection.reference(reference)
    paths = [entries] if isinstance(entries, str) else list(entries)
    with (
        Progress(f"packing {', '.join(paths)}") as progress,
        connection.client(on_event=progress.update) as client,
    ):
        layers = client.pack_layers(
            as_path(source) if isinstance(source, (str, os.PathLike)) else source,
            str(place),
            paths,
            kitfile=as_path(kitfile) if kitfile is not None else None,
            push=place.in_registry,
            how=how,
        )
    return [layer.to_dict() for layer in layers]


@twins("assemble-modelkit", run_name("assemble", "reference"))
def _assemble(
    reference: str,
    layers: Iterable[Any],
    *,
    kitfile: str | os.PathLike[str],
    tags: Sequence[str] = (),
    upstream: Sequence[Upstream] = (),
    metrics: Mapping[str, float] | None = None,
    registry: Registry = None,
    card: bool = True,
) -> ModelKitRef:
    """Make a kit of the layers that ``pack_modelkit_layers`` packed; its digest is that of one pack.

    Args:
        reference: Where to, with the tag.
        layers: What the tasks returned, in any order.
        kitfile: The Kitfile of the whole kit.
        tags: Further tags.
        upstream: What it was made from: kits, their references, and other assets by key (``s3://bucket/table``).
        metrics: Figures that were measured, attached as a test result for the gates of a promotion.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.assemble`.
    """
    flat = [layer for part in layers for layer in ([part] if isinstance(part, Mapping) else part)]

    def work(client: kitops.Client, place: str, push: bool, provenance: kitops.Provenance) -> kitops.ModelKitRecord:
        return client.assemble(place, flat, kitfile=as_path(kitfile), push=push, tags=tags, provenance=provenance)

    return make_kit(reference, work, upstream=upstream, metrics=metrics, registry=registry, card=card)


pack_modelkit_layers, apack_modelkit_layers = _pack_layers
assemble_modelkit, aassemble_modelkit = _assemble

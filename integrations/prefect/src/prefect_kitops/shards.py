"""Tasks that pack a kit in parts, wherever the files are, and put it together: one digest however many took part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from prefect import task

from prefect_kitops import kits
from prefect_kitops.connection import Kit, RegistryBlock
from prefect_kitops.packing import tell
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import TASK_OPTIONS, hints, run_name

if TYPE_CHECKING:
    from kitops_core.kits.packed_layer import CompressionName


@task(name="pack-modelkit-layers", task_run_name=run_name("pack", "entries"), **TASK_OPTIONS)
def pack_modelkit_layers(
    source: str | os.PathLike[str],
    reference: str,
    entries: str | Sequence[str],
    *,
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    registry: RegistryBlock | str | None = None,
) -> list[dict[str, Any]]:
    """Pack some entries of a kit into its repository; :func:`assemble_modelkit` makes the kit of all of them.

    Args:
        source: A directory with the files of these entries; those of others need not be there.
        reference: The repository.
        entries: The entries to pack, by their paths in the Kitfile.
        kitfile: The Kitfile of the whole kit, where it is not in the directory.
        compression: As for :func:`~prefect_kitops.tasks.pack_modelkit`; the same in every part.
        layer_format: As for :func:`~prefect_kitops.tasks.pack_modelkit`; the same in every part.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Returns:
        The layers as JSON.

    Raises:
        KitOpsError: As :func:`kitops_core.pack_layers`.
    """
    paths = [entries] if isinstance(entries, str) else list(entries)
    with hints(), Progress(f"packing {', '.join(paths)}") as progress:
        layers = kits.pack_layers(
            source,
            reference,
            paths,
            kitfile=kitfile,
            compression=compression,
            layer_format=layer_format,
            registry=registry,
            on_event=progress.update,
        )
    return [layer.to_dict() for layer in layers]


@task(name="assemble-modelkit", task_run_name=run_name("assemble", "reference"), **TASK_OPTIONS)
def assemble_modelkit(
    reference: str,
    layers: Iterable[Any],
    *,
    kitfile: str | os.PathLike[str],
    tags: Sequence[str] = (),
    parents: Sequence[Kit] = (),
    upstream: Sequence[Kit] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
) -> ModelKitRef:
    """Make a kit of the layers that :func:`pack_modelkit_layers` packed; its digest is that of one pack.

    Args:
        reference: Where to, with the tag.
        layers: What the tasks returned, in any order.
        kitfile: The Kitfile of the whole kit.
        tags: Further tags.
        parents: Kits it was made from; they are upstream assets too.
        upstream: Other assets it was made from, by key (``s3://bucket/table``) or kit.
        metrics: Figures that were measured, attached as a test result for the gates of a promotion.
        parameters: What the run was given, for the provenance.
        key: The private key that signs provenance and metrics: a file or ``env://NAME``.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :func:`kitops_core.assemble`.
    """
    flat = [layer for part in layers for layer in ([part] if isinstance(part, Mapping) else part)]

    def work(**options: Any) -> Any:
        return kits.assemble(reference, flat, kitfile=kitfile, tags=tags, key=key, registry=registry, **options)

    return tell(
        reference,
        work,
        parents=parents,
        upstream=upstream,
        metrics=metrics,
        parameters=parameters,
        registry=registry,
        card=card,
    )

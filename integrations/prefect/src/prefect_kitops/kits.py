"""What the tasks do, as plain functions: they need no run, no server and no event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import kitops_core as kitops
from kitops_core.record import LayerRecord, ModelKitRecord, Source
from prefect_kitops.connection import Kit, RegistryBlock, as_path, find_place
from prefect_kitops.reference import ModelKitRef

if TYPE_CHECKING:
    from kitops_core.events import Cancel, Event
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kits.packed_layer import CompressionName
    from kitops_core.sources.contents import Contents


def pack(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    parents: Sequence[Kit] = (),
    registry: RegistryBlock | str | None = None,
    made_by: Source | None = None,
    provenance: Provenance | None = None,
    key: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Pack a kit straight into its registry, or into the local store where the name has no registry.

    Args:
        source: A directory, or contents by name.
        reference: Where to; with a ``ModelKitRepository`` a tag is enough.
        tags: Further tags.
        kitfile: A Kitfile to use instead of the directory's.
        compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd``.
        layer_format: ``raw`` stores a single file as it is instead of in a tar.
        parents: Kits it was made from, pinned by digest.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        made_by: The run it comes from.
        provenance: How it was made, to attach to it.
        key: The private key to sign that with: a file, PEM text or ``env://NAME``.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        KitOpsError: As :func:`kitops_core.pack`.
    """
    place = find_place(reference, registry)
    return kitops.pack(
        as_path(source) if isinstance(source, (str, os.PathLike)) else source,
        str(place.reference),
        push=place.remote,
        tags=tags,
        kitfile=as_path(kitfile) if kitfile is not None else None,
        compression=compression,
        layer_format=layer_format,
        made_by=made_by,
        provenance=provenance,
        key=key,
        parents=[str(parent) for parent in parents],
        registry=place.options,
        on_event=on_event,
        cancel=cancel,
    )


def pack_layers(
    source: str | os.PathLike[str],
    reference: str,
    entries: Sequence[str],
    *,
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    registry: RegistryBlock | str | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> tuple[LayerRecord, ...]:
    """Pack some entries of a kit into its repository, without a manifest; :func:`assemble` makes the kit.

    Args:
        source: A directory with the files of these entries.
        reference: The repository.
        entries: The entries to pack, by their paths in the Kitfile.
        kitfile: The Kitfile of the whole kit, where it is not in the directory.
        compression: As for :func:`pack`; the same in every part.
        layer_format: As for :func:`pack`; the same in every part.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        KitOpsError: As :func:`kitops_core.pack_layers`.
    """
    place = find_place(reference, registry)
    return kitops.pack_layers(
        as_path(source),
        str(place.reference),
        entries,
        kitfile=as_path(kitfile) if kitfile is not None else None,
        push=place.remote,
        compression=compression,
        layer_format=layer_format,
        registry=place.options,
        on_event=on_event,
        cancel=cancel,
    )


def assemble(
    reference: str,
    layers: Iterable[LayerRecord | Mapping[str, Any]],
    *,
    kitfile: str | os.PathLike[str],
    tags: Sequence[str] = (),
    registry: RegistryBlock | str | None = None,
    made_by: Source | None = None,
    provenance: Provenance | None = None,
    key: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Make a kit of layers that :func:`pack_layers` packed into the same repository.

    Args:
        reference: Where to, with the tag.
        layers: The layers, in any order.
        kitfile: The Kitfile of the whole kit.
        tags: Further tags.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        made_by: The run it comes from.
        provenance: How it was made, to attach to it.
        key: The private key to sign that with.
        on_event: Called with progress.
        cancel: A switch that stops between requests.

    Raises:
        KitOpsError: As :func:`kitops_core.assemble`.
    """
    place = find_place(reference, registry)
    return kitops.assemble(
        str(place.reference),
        layers,
        kitfile=as_path(kitfile),
        push=place.remote,
        tags=tags,
        made_by=made_by,
        provenance=provenance,
        key=key,
        registry=place.options,
        on_event=on_event,
        cancel=cancel,
    )


def push(
    kit: Kit,
    to: str = "",
    *,
    registry: RegistryBlock | str | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Send a kit from the local store to its registry, or to ``to``.

    Args:
        kit: The kit in the local store.
        to: Where to, if it has another name there; with a ``ModelKitRepository`` a tag is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        KitOpsError: As :func:`kitops_core.push`.
    """
    place = find_place(to or kit, registry)
    return kitops.push(str(kit), str(place.reference), registry=place.options, on_event=on_event, cancel=cancel)


def pull(
    kit: Kit,
    directory: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
    overwrite: bool = False,
    verified_by: Sequence[str] = (),
    registry: RegistryBlock | str | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Fetch a kit: its files into ``directory``, or without one the kit into the local store.

    Args:
        kit: The kit. A tag is resolved once.
        directory: Where its files go; nothing appears there before all of it is verified.
        only: Filters such as ``model`` or ``datasets:sample``; none means everything.
        overwrite: Replace files that are in the way.
        verified_by: Public keys, of which one must have signed it; else nothing is fetched.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        KitOpsError: As :func:`kitops_core.pull` and :func:`kitops_core.unpack`.
    """
    place = find_place(kit, registry)
    with kitops.open(
        str(place.reference), remote=place.remote, registry=place.options, on_event=on_event, cancel=cancel
    ) as opened:
        if verified_by:
            kitops.verify(opened.reference, keys=verified_by, remote=place.remote, registry=place.options)
        if directory is not None:
            opened.unpack(as_path(directory), only=only, overwrite=overwrite)
        if directory is not None or not place.remote:
            return opened.record()
        pinned = opened.reference
    return kitops.pull(pinned, registry=place.options, on_event=on_event, cancel=cancel)


def resolve(kit: Kit, *, registry: RegistryBlock | str | None = None) -> ModelKitRef:
    """Pin a kit to the digest that its tag names now.

    Args:
        kit: The kit; with a ``ModelKitRepository`` a tag or digest is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        NotFoundError: There is no such kit.
        KitOpsError: As :func:`kitops_core.open`.
    """
    place = find_place(kit, registry)
    with kitops.open(str(place.reference), remote=place.remote, registry=place.options) as opened:
        return ModelKitRef.of(opened.record())


def verify(
    kit: Kit,
    *,
    keys: Sequence[str] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: str | os.PathLike[str] | None = None,
    type: str = "signature",
    needed: int = 1,
    registry: RegistryBlock | str | None = None,
) -> ModelKitRef:
    """Pin a kit to the digest that its tag names now, and check who signed that digest.

    Args:
        kit: The kit.
        keys: Public keys of which any may have signed: files, PEM text or ``env://NAME``.
        identity: Instead of keys: the identity in a keyless signer's certificate.
        issuer: Who vouched for ``identity``.
        trust_root: The ``trusted_root.json`` that keyless signatures are checked against.
        type: What must be signed: ``signature``, or an attestation such as ``slsaprovenance1``.
        needed: How many different keys must have signed.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        VerificationError: The kit is not signed so.
        KitOpsError: The kit, a key or the registry cannot be used.
    """
    pinned = resolve(kit, registry=registry)
    place = find_place(pinned, registry)
    kitops.verify(
        pinned.reference,
        keys=keys,
        identity=identity,
        issuer=issuer,
        trust_root=Path(as_path(trust_root)) if trust_root is not None else None,
        type=type,
        needed=needed,
        remote=place.remote,
        registry=place.options,
    )
    return pinned

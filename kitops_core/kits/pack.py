"""Pack: files to a storage, in one pass, reproducibly."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kitops_core.errors import InvalidInputError, InvalidReferenceError, SourceError
from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.pack_evidence import prepare_evidence
from kitops_core.kits.find import digest_of, open_storage
from kitops_core.kits.packed_layer import CompressionName
from kitops_core.kits.packing import Recipe, check_packable, source_date_epoch
from kitops_core.kits.write_kit import kit_record, write_kit
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import DEFAULT_TAG, Reference, check_tag, parse_reference
from kitops_core.sources.contents import Contents
from kitops_core.sources.generate import generate_kitfile

if TYPE_CHECKING:
    from kitops_core.evidence.keys import SigningKey
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import Kitfile
    from kitops_core.layers.plan import Context
    from kitops_core.storage.local import LayerCache
    from kitops_core.storage.registry import RegistryOptions


def pack(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    push: bool = False,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    model_pack: bool = False,
    created: datetime | None = None,
    made_by: Source | None = None,
    parents: Sequence[str] = (),
    provenance: Provenance | None = None,
    key: SigningKey | str | Path | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Pack a ModelKit into the local store, or with ``push`` straight into its registry.

    The same files give the same digest. A layer whose files did not change since they were last packed is not
    read again, and nothing is sent that is already there.

    Args:
        source: A directory with a Kitfile, a directory without one (a Kitfile is generated as ``kitops init``
            does), or contents by name.
        reference: Where to: ``registry/repository:tag``, a local ``name:tag``, or ``oci:PATH:tag``.
        push: Send it to the registry in the same pass; nothing is kept in the local store.
        tags: Further tags.
        kitfile: A Kitfile to use instead of the directory's: a path, or the Kitfile itself.
        compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd`` (which the reference CLI reads from 1.15 on).
        layer_format: ``raw`` stores a single file as it is instead of in a tar.
        model_pack: Write a CNCF ModelPack instead of a ModelKit.
        created: A time to stamp into the manifest, which changes its digest; ``SOURCE_DATE_EPOCH`` sets it too.
        made_by: The pipeline run this comes from, for the record.
        parents: References, pinned by digest, of kits this one was made from, for the record. Those that the
            provenance or the Kitfile's ``model.path`` name are added.
        provenance: How it was made, attached to the kit before a tag points to it. The kit's digest is the same
            without. An unchanged kit gets no second statement that says the same but for run ids and times.
        key: The private key, or where to load it from, to sign the provenance with.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidReferenceError: The reference cannot be packed to.
        KitfileError: The Kitfile has problems; all are named.
        InvalidInputError: The provenance or the key cannot be used.
        NotFoundError: A parent kit that the provenance names by a tag is not there.
        SourceError: Files are missing, unreadable, or changed while they were read.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
        CancelledError: The switch was flipped.
    """
    target, all_tags = parse_target(reference, tags)
    control = Control(on_event, cancel)
    context, description, where = load_contents(source, kitfile)
    check_packable(description, model_pack, where)
    evidence = prepare_evidence(
        provenance,
        made_by or Source(),
        description,
        Path() if isinstance(source, Contents) else Path(source),
        key=key,
        store=store,
        registry=registry,
    )
    recipe = Recipe(description, compression, layer_format, model_pack, created or source_date_epoch())
    layers = recipe.plan(context, layer_cache(store), control)
    recipe.assemble([layer.finished() for layer in layers])  # too many layers are found before the first byte is sent
    storage = open_storage(target, remote=push and not target.layout, store=store, registry=registry)
    try:
        before = {tag: digest_of(storage, tag) for tag in all_tags}
        manifest = write_kit(recipe, layers, storage, before, evidence, control)
    finally:
        storage.close()
    return kit_record(target, all_tags, manifest, description, layers, before, evidence, parents)


def parse_target(reference: str, tags: Sequence[str]) -> tuple[Reference, tuple[str, ...]]:
    """Where a kit is packed to, and all its tags.

    Raises:
        InvalidReferenceError: It names a digest, or does not follow the grammar.
    """
    target = parse_reference(reference)
    if target.digest:
        raise InvalidReferenceError(f"'{reference}' names a digest, and what is packed decides that", hint="name a tag")
    return target, tuple(dict.fromkeys([target.tag or DEFAULT_TAG, *map(check_tag, tags)]))


def load_contents(
    source: str | os.PathLike[str] | Contents, kitfile: str | os.PathLike[str] | Kitfile | None
) -> tuple[Context, Kitfile, str]:
    """The files, the Kitfile that describes them, and what to call it in errors.

    Raises:
        SourceError: There is no such directory, or nothing in it.
        KitfileError, InvalidInputError: The Kitfile or the contents cannot be used.
    """
    from kitops_core.kitfile import Kitfile, find_kitfile
    from kitops_core.layers.plan import Context

    if isinstance(source, Contents):
        if kitfile is not None:
            raise InvalidInputError("contents by name bring their own Kitfile", hint="pass a directory, or no kitfile")
        context, description = source.resolve()
        return context, description, "the contents"
    directory = Path(source)
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        hint = "pack the directory it is in, or name it: Contents(model=...)" if directory.exists() else ""
        raise SourceError(f"'{directory}' {what}", hint=hint)
    context = Context.from_directory(directory)
    if isinstance(kitfile, Kitfile):
        return context, kitfile, "the Kitfile given"
    found = Path(kitfile) if kitfile is not None else find_kitfile(directory)
    if found is None:
        description = generate_kitfile(directory)
        if not description.entries():
            raise SourceError(f"'{directory}' has nothing to pack", hint="is it the right directory?")
        return context, description, f"the Kitfile generated for '{directory}'"
    return context, Kitfile.load(found), str(found)


def layer_cache(store: Path | None) -> LayerCache:
    """What was packed before, as the local store remembers it."""
    from kitops_core.storage.local import LocalStore

    return LocalStore(store).layer_cache()

"""A kit packed in parts: workers pack layers wherever the files are, and one step puts the kit together.

The digest is that of one :func:`~kitops_core.kits.pack.pack` of all the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.pack_evidence import all_parents, prepare_evidence
from kitops_core.kits.find import digest_of, open_storage
from kitops_core.kits.pack import layer_cache, load_contents, parse_target
from kitops_core.kits.packed_layer import CompressionName, FinishedLayer
from kitops_core.kits.packing import Recipe, check_packable, source_date_epoch, store_kit
from kitops_core.kits.write_kit import sizes_before
from kitops_core.layers.context import clean_path
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType, parse_layer_type
from kitops_core.parallel import run_all
from kitops_core.record import LayerRecord, ModelKitRecord, Source
from kitops_core.reference import is_digest
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.evidence.keys import SigningKey
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import KitEntry, Kitfile
    from kitops_core.storage.registry import RegistryOptions


def pack_layers(
    source: str | os.PathLike[str],
    reference: str,
    entries: Sequence[str],
    *,
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    push: bool = False,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    model_pack: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> tuple[LayerRecord, ...]:
    """Pack some entries of a kit as blobs, without a manifest; :func:`assemble` makes the kit of all of them.

    Every worker needs the Kitfile of the whole kit, and the ``.kitignore`` if there is one. A registry may collect
    blobs that no manifest names: assemble soon.

    Args:
        source: A directory with the files of these entries; those of other entries need not be there.
        reference: What the kit will be called. No tag moves, but a layer with the size that it has in the kit there
            now is not sent again if its bytes are the same, even from a worker that never packed it.
        entries: The entries to pack, by their paths in the Kitfile.
        kitfile: The Kitfile of the whole kit, where it is not in the directory.
        push: Send the blobs to the registry rather than into the local store.
        compression: As for ``pack``; the same in every part.
        layer_format: As for ``pack``; the same in every part.
        model_pack: Whether the kit will be a ModelPack.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Returns:
        The layers, in the Kitfile's order; ``to_dict`` of each is JSON that ``assemble`` takes.

    Raises:
        InvalidInputError: There is no Kitfile, or no such entry in it.
        InvalidReferenceError, KitfileError, SourceError, DeniedError, RegistryError, StoreError, CancelledError: As
            for ``pack``.
    """
    from kitops_core.kitfile import find_kitfile

    target, (tag,) = parse_target(reference, ())
    control = Control(on_event, cancel)
    if kitfile is None and Path(source).is_dir() and find_kitfile(Path(source)) is None:
        raise InvalidInputError(
            f"'{source}' has no Kitfile", hint="give every worker the Kitfile of the whole kit: kitfile=..."
        )
    context, description, where = load_contents(source, kitfile)
    check_packable(description, model_pack, where)
    known = {entry.path: entry.address for entry in description.entries()}
    unknown = [path for path in entries if clean_path(path) not in known]
    if unknown or not entries:
        missing = ", ".join(f"'{path}'" for path in unknown) or "nothing"
        raise InvalidInputError(f"{where} has no entry {missing}", hint=f"its entries are {', '.join(known)}")
    recipe = Recipe(description, compression, layer_format, model_pack, None)
    layers = recipe.plan(context, layer_cache(store), control, {known[clean_path(path)] for path in entries})
    with closing(open_storage(target, remote=push and not target.layout, store=store, registry=registry)) as storage:
        likely = sizes_before(storage, digest_of(storage, tag))
        run_all([partial(layer.write, storage, likely.get(layer.plan.path, -1)) for layer in layers], control)
    return tuple(layer.record() for layer in layers)


def assemble(
    reference: str,
    layers: Iterable[LayerRecord | Mapping[str, Any]],
    *,
    kitfile: str | os.PathLike[str] | Kitfile,
    push: bool = False,
    tags: Sequence[str] = (),
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
    """Make a kit of layers that :func:`pack_layers` packed into the same repository.

    Args:
        reference: Where to, with the tag.
        layers: The layers, in any order: records, or their JSON. One that a retry packed again, to the same bytes,
            may be there twice.
        kitfile: The Kitfile of the whole kit.
        push: The layers are in the registry, and so will be the kit.
        tags: Further tags.
        model_pack: Write a CNCF ModelPack instead of a ModelKit.
        created: As for ``pack``.
        made_by: As for ``pack``.
        parents: As for ``pack``.
        provenance: As for ``pack``.
        key: As for ``pack``.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between requests.

    Raises:
        InvalidInputError: Layers are missing, there twice with different bytes, of no entry of the Kitfile, or not
            what their entry is packed as. All are named.
        NotFoundError: Blobs of layers are not in the repository; all are named. Or a parent kit is not there.
        InvalidReferenceError, KitfileError, DeniedError, RegistryError, StoreError, CancelledError: As for ``pack``.
    """
    from kitops_core.kitfile import Kitfile

    target, all_tags = parse_target(reference, tags)
    control = Control(on_event, cancel)
    description = kitfile if isinstance(kitfile, Kitfile) else Kitfile.load(Path(kitfile))
    where = "the Kitfile given" if isinstance(kitfile, Kitfile) else str(kitfile)
    directory = Path() if isinstance(kitfile, Kitfile) else Path(kitfile).parent
    check_packable(description, model_pack, where)
    entries = description.entries()
    records = _in_order([_read(layer) for layer in layers], entries, where)
    finished = _finished(records, entries, model_pack, where)
    evidence = prepare_evidence(
        provenance, made_by or Source(), description, directory, key=key, store=store, registry=registry
    )
    recipe = Recipe(description, "none", "tar", model_pack, created or source_date_epoch())
    config, manifest = recipe.assemble(finished)
    with closing(open_storage(target, remote=push and not target.layout, store=store, registry=registry)) as storage:
        _check_blobs(storage, records, control)
        before = {tag: digest_of(storage, tag) for tag in all_tags}
        store_kit(config, manifest, storage, before, evidence, control)
    return ModelKitRecord(
        digest=manifest.digest,
        reference=str(target.with_tag(all_tags[0])),
        registry=target.registry,
        repository=target.repository,
        tag=all_tags[0],
        tags=all_tags,
        size=manifest.size,
        kit=description.package.model_dump(exclude_defaults=True),
        layers=tuple(records),
        changed=set(before.values()) != {manifest.digest},
        previous_digest=before[all_tags[0]],
        source=evidence.source,
        parents=all_parents(parents, evidence.parents),
        created=manifest.annotations.get(media_types.ANNOTATION_CREATED, ""),
        sent=sum(record.size for record in records if record.outcome == "written"),
        reused=sum(record.size for record in records if record.outcome != "written"),
    )


def _read(layer: LayerRecord | Mapping[str, Any]) -> LayerRecord:
    if isinstance(layer, LayerRecord):
        return layer
    try:
        if not isinstance(layer, Mapping):
            raise ValueError(f"it is a {type(layer).__name__}")
        return LayerRecord.from_dict(layer)
    except ValueError as error:
        raise InvalidInputError(
            f"a layer to assemble: {error}", hint="pass what the calls of pack_layers returned, in one list"
        ) from None


def _in_order(records: Sequence[LayerRecord], entries: Sequence[KitEntry], where: str) -> list[LayerRecord]:
    """One record for each entry, in the Kitfile's order."""
    found: dict[tuple[str, str], LayerRecord] = {}
    problems = []
    wanted = [(entry.section, entry.path) for entry in entries]
    for record in records:
        place = (record.section, record.path)
        if place not in wanted:
            problems.append(f"'{record.path}' is no {record.section} entry")
        elif replace(found.setdefault(place, record), outcome=record.outcome) != record:
            problems.append(f"'{record.path}' was packed twice, and differently")
    problems += [f"'{path}' is missing" for section, path in wanted if (section, path) not in found]
    if problems:
        raise _mismatch(where, problems)
    return [found[place] for place in wanted]


def _finished(
    records: Sequence[LayerRecord], entries: Sequence[KitEntry], model_pack: bool, where: str
) -> list[FinishedLayer]:
    """What the kit says of the layers, where each can be what its entry is packed as."""
    finished, problems = [], []
    for record, entry in zip(records, entries, strict=True):
        said = parse_layer_type(record.media_type)
        kind = replace(said, section=entry.section) if said else LayerType(entry.section)
        if record.media_type != (kind.modelpack() if model_pack else kind.modelkit()):
            what = "ModelPack" if model_pack else "ModelKit"
            problems.append(f"'{record.path}' has media type '{record.media_type}', no {entry.section} of a {what}")
        elif not is_digest(record.digest) or not is_digest(record.diff_id) or record.size < 0:
            problems.append(f"'{record.path}' has a digest, diff_id or size that cannot be")
        elif kind.compression == "none" and record.diff_id != record.digest:
            problems.append(f"'{record.path}' is not compressed, but its digest and diff_id differ")
        descriptor = Descriptor(record.media_type, record.digest, record.size, kind.annotations(entry.path))
        finished.append(FinishedLayer(entry.address, descriptor, record.diff_id))
    if problems:
        raise _mismatch(where, problems)
    return finished


def _mismatch(where: str, problems: Sequence[str]) -> InvalidInputError:
    return InvalidInputError(
        f"the layers are not those of {where}: {'; '.join(problems)}",
        hint="pack every entry with pack_layers, with the same Kitfile and options everywhere",
    )


def _check_blobs(storage: Storage, records: Sequence[LayerRecord], control: Control) -> None:
    """Check that every layer's blob is there, with its size."""

    def is_there(record: LayerRecord, linked: Control) -> bool:
        linked.check()
        return storage.has_blob(Descriptor(record.media_type, record.digest, record.size))

    there = run_all([partial(is_there, record) for record in records], control)
    gone = [record for record, found in zip(records, there, strict=True) if not found]
    if gone:
        named = ", ".join(f"layer '{record.path}' ({record.digest}, {record.size} bytes)" for record in gone)
        raise NotFoundError(
            f"not in {storage.name}: {named}",
            hint="pack them into the same repository with pack_layers, then assemble",
        )

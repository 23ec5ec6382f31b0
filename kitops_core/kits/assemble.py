"""A kit packed in parts: workers pack layers wherever the files are, and one step puts the kit together.

The digest is that of one :func:`~kitops_core.kits.pack.pack` of all the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.pack_evidence import prepare_evidence
from kitops_core.kits.kit_to_pack import KitToPack
from kitops_core.kits.pack import load_contents, parse_target
from kitops_core.kits.packed_layer import FinishedLayer
from kitops_core.kits.packing import Packing
from kitops_core.kits.write_kit import kit_record, layers_before, size_before, store_kit
from kitops_core.layers.context import clean_path
from kitops_core.objects.location import Location, local_path
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType, parse_layer_type
from kitops_core.openlineage.telling import telling
from kitops_core.parallel import run_all
from kitops_core.record import LayerRecord, ModelKitRecord
from kitops_core.reference import is_digest
from kitops_core.session import Session, digest_of
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import KitEntry, Kitfile


def pack_layers(
    session: Session,
    source: Location,
    reference: str,
    entries: Sequence[str],
    *,
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    push: bool = False,
    how: Packing | None = None,
) -> tuple[LayerRecord, ...]:
    """See :meth:`kitops_core.Client.pack_layers`."""
    target, (tag,) = parse_target(reference, ())
    if kitfile is None and not _has_kitfile(source):
        raise InvalidInputError(
            f"'{source}' has no Kitfile", hint="give every worker the Kitfile of the whole kit: kitfile=..."
        )
    context, description, where = load_contents(source, kitfile)
    kit = KitToPack(description, how or Packing())
    kit.check(where)
    known = {entry.path: entry.address for entry in description.entries()}
    unknown = [path for path in entries if clean_path(path) not in known]
    if unknown or not entries:
        missing = ", ".join(f"'{path}'" for path in unknown) or "nothing"
        raise InvalidInputError(f"{where} has no entry {missing}", hint=f"its entries are {', '.join(known)}")
    cache, control = session.layer_cache(), session.control
    layers = kit.plan(context, cache, control, {known[clean_path(path)] for path in entries})
    with closing(session.storage(target, "registry" if push else "store")) as storage:
        was = layers_before(storage, digest_of(storage, tag))
        run_all([partial(layer.write, storage, size_before(layer.path, was)) for layer in layers], control)
    return tuple(layer.record() for layer in layers)


def _has_kitfile(source: Location) -> bool:
    """Whether a directory has a Kitfile; true for what is no directory, which is told elsewhere."""
    from kitops_core.kitfile import find_kitfile

    local = local_path(source)
    if local is not None:
        return not Path(local).is_dir() or find_kitfile(Path(local)) is not None
    from kitops_core.sources.objects import find_directory, kitfile_in

    return kitfile_in(find_directory(source)) is not None


def assemble(
    session: Session,
    reference: str,
    layers: Iterable[LayerRecord | Mapping[str, Any]],
    *,
    kitfile: str | os.PathLike[str] | Kitfile,
    push: bool = False,
    tags: Sequence[str] = (),
    how: Packing | None = None,
    provenance: Provenance | None = None,
    parents: Sequence[str] = (),
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.assemble`."""
    from kitops_core.kitfile import load_given

    target, all_tags = parse_target(reference, tags)
    with telling(session, "assemble", target) as told:
        description, where = load_given(kitfile)
        directory = Path(kitfile).parent if isinstance(kitfile, (str, os.PathLike)) else Path()
        kit = KitToPack(description, how or Packing())
        kit.check(where)
        entries = description.entries()
        records = _in_order([_read(layer) for layer in layers], entries, where)
        finished = _finished(records, entries, kit.how.model_pack, where)
        evidence = prepare_evidence(session, provenance, description, directory)
        config, manifest = kit.config_and_manifest(finished)
        with closing(session.storage(target, "registry" if push else "store")) as storage:
            _check_blobs(storage, records, session.control)
            before = store_kit(config, manifest, storage, all_tags, evidence, session.control)
        record = kit_record(target, all_tags, manifest, description, records, before, evidence, parents)
        told.made(record, evidence)
    return record


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
    wanted = dict.fromkeys((entry.section, entry.path) for entry in entries)
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
        kind = said._replace(section=entry.section) if said else LayerType(entry.section)
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

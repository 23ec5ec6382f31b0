"""Pack: files to a storage, in one pass, reproducibly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError, InvalidReferenceError, SourceError
from kitops_core.events import Control
from kitops_core.evidence.pack_evidence import PackEvidence, prepare_evidence
from kitops_core.kits.chain import check_chain
from kitops_core.kits.kit_to_pack import KitToPack
from kitops_core.kits.packed_layer import PackedLayer
from kitops_core.kits.packing import Packing
from kitops_core.kits.write_kit import kit_record, tags_now, write_kit
from kitops_core.objects.location import Location, local_path
from kitops_core.openlineage.telling import telling
from kitops_core.parallel import Beside
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Place, Reference, check_tag, parse_name
from kitops_core.session import Session
from kitops_core.sources.contents import Contents
from kitops_core.sources.generate import generate_kitfile

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import Kitfile, KitfileData
    from kitops_core.layers.plan import Context


def pack(
    session: Session,
    source: Location | Contents,
    reference: str,
    *,
    push: bool = False,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    how: Packing | None = None,
    provenance: Provenance | None = None,
    parents: Sequence[str] = (),
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.pack`."""
    target, all_tags = parse_target(reference, tags)
    destination: Place = "registry" if push else "store"
    # A person's directory is called as the project; a pipeline's is called bundle, or anything.
    name = target.repository.rpartition("/")[2] if session.run.orchestrator else ""
    with telling(session, "pack", target) as told:
        context, description, where = load_contents(source, kitfile, name)
        kit = KitToPack(description, how or Packing())
        kit.check(where)

        def look(control: Control) -> dict[str, str]:
            with closing(session.storage(target, destination, control)) as storage:
                return tags_now(storage, all_tags, control)

        local = "" if isinstance(source, Contents) else local_path(source)

        def prepare() -> tuple[PackEvidence, list[PackedLayer]]:
            check_chain(session, target, all_tags, description, push)
            evidence = prepare_evidence(session, provenance, description, None if local is None else Path(local))
            layers = kit.plan(context, session.layer_cache(), session.control)
            kit.check_room(layers)
            return evidence, layers

        if destination == "registry" and target.in_registry:
            with Beside(look, session.control) as asked:  # the files are looked at meanwhile
                evidence, layers = prepare()
                before = asked.result()
        else:
            evidence, layers = prepare()
            before = look(session.control)
        with closing(session.storage(target, destination)) as storage:
            manifest, before = write_kit(kit, layers, storage, before, evidence, session.control)
        records = [layer.record() for layer in layers]
        record = kit_record(target, all_tags, manifest, description, records, before, evidence, parents)
        told.made(record, evidence, lambda: _further(source, description, local is None))
    return record


def _further(source: Location | Contents, kitfile: KitfileData, remote: bool) -> list[Input]:
    """What a kit is made from though no provenance says so: an object store's directory, data that stays there."""
    from kitops_core.evidence.inputs import Input
    from kitops_core.kitfile.entries import is_modelkit_reference

    found = [
        Input(path, {"etag": str(dataset.get("remote_hash"))})
        for dataset in kitfile.values.get("datasets") or ()
        if (path := dataset.get("remote_path")) and not is_modelkit_reference(path)
    ]
    return [Input(str(source)), *found] if remote else found


def parse_target(reference: str, tags: Sequence[str]) -> tuple[Reference, tuple[str, ...]]:
    """Where a kit is packed to, and all its tags.

    Raises:
        InvalidReferenceError: It names a digest, or does not follow the grammar.
    """
    target = parse_name(reference)
    if target.digest:
        raise InvalidReferenceError(f"'{reference}' names a digest, and what is packed decides that", hint="name a tag")
    return target, tuple(dict.fromkeys([target.tag or DEFAULT_TAG, *map(check_tag, tags)]))


def load_contents(
    source: Location | Contents, kitfile: str | os.PathLike[str] | Kitfile | None, name: str = ""
) -> tuple[Context, KitfileData, str]:
    """The files, the Kitfile that describes them, and what to call it in errors.

    Where nothing in a directory says what the kit is called, it is ``name``, or what the directory is called.

    Raises:
        SourceError: There is no such directory, or nothing in it.
        DeniedError: It is in an object store, and may not be read.
        KitfileError, InvalidInputError: The Kitfile or the contents cannot be used, or what reads an object store is
            not installed.
    """
    from kitops_core.kitfile import find_kitfile, load_given
    from kitops_core.layers.plan import Context

    if isinstance(source, Contents):
        if kitfile is not None:
            raise InvalidInputError("contents by name bring their own Kitfile", hint="pass a directory, or no kitfile")
        context, description = source.load()
        return context, description.data(), "the contents"
    local = local_path(source)
    if local is None:
        return _load_objects(source, kitfile, name)
    directory = Path(local)
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        hint = "pack the directory it is in, or name it: Contents(model=...)" if directory.exists() else ""
        raise SourceError(f"'{directory}' {what}", hint=hint)
    context = Context.from_directory(directory)
    given = kitfile if kitfile is not None else find_kitfile(directory)
    if given is None:
        description = generate_kitfile(directory, fallback_name=name)
        if not description.entries():
            raise SourceError(f"'{directory}' has nothing to pack", hint="is it the right directory?")
        return context, description.data(), f"the Kitfile generated for '{directory}'"
    return context, *load_given(given)


def _load_objects(
    source: Location, kitfile: str | os.PathLike[str] | Kitfile | None, name: str
) -> tuple[Context, KitfileData, str]:
    from kitops_core.kitfile import load_given
    from kitops_core.layers.plan import Context
    from kitops_core.sources.objects import describe_objects, find_directory, kitfile_in

    directory = find_directory(source)
    context = Context.from_objects(directory)
    if kitfile is not None:
        return context, *load_given(kitfile)
    found = kitfile_in(directory)
    if found is not None:
        return context, found, f"the Kitfile in '{directory.url}'"
    description = describe_objects(directory, context.rules(), name)
    if not description.entries():
        raise SourceError(f"'{directory.url}' has nothing to pack", hint="is it the right directory?")
    return context, description.data(), f"the Kitfile generated for '{directory.url}'"

"""Copy and push: a kit or an index from one storage to another, its bytes and its digest unchanged."""

from __future__ import annotations

from contextlib import closing
from typing import Literal

from kitops_core.errors import InvalidReferenceError
from kitops_core.kits.copy_graph import copy_manifest
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, Where, parse_name
from kitops_core.session import FoundAny, Session, digest_of

Into = Literal["store", "registry"]


def push(session: Session, reference: str, to: str = "", *, referrers: bool = True) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.push`."""
    return copy(session, reference, to or reference, where="store", referrers=referrers)


def copy(
    session: Session,
    source: str,
    target: str,
    *,
    where: Where = "any",
    into: Into = "registry",
    referrers: bool = False,
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.copy`."""
    destination = parse_name(target)
    return copy_found(session, session.find_any(source, where), destination, into, referrers)


def copy_found(
    session: Session,
    found: FoundAny,
    destination: Reference,
    into: Into,
    referrers: bool,
    kit: StoredKit | None = None,
) -> ModelKitRecord:
    """Copy what was found, and close the storage it was found in; ``kit`` is the same, where it was read."""
    manifest, control = found.manifest, session.control
    with closing(found.storage):
        if kit is None and not isinstance(manifest, KitIndex):
            kit = read_kit(found.storage, manifest)  # before a tag points at something that is no kit
        if destination.digest and destination.digest != manifest.digest:
            raise InvalidReferenceError(
                f"'{destination}' names another digest than '{found.reference.with_digest(manifest.digest)}'",
                hint="name a tag, or leave the digest out",
            )
        tag = destination.tag or ("" if destination.digest else found.reference.tag or DEFAULT_TAG)
        named = destination.with_tag(tag) if tag else destination
        with closing(session.storage(destination, into)) as storage:
            previous = digest_of(storage, tag or manifest.digest)
            tags = [tag] if tag and previous != manifest.digest else []
            if tags and previous:
                storage.keep_present(previous)
            if isinstance(manifest, KitIndex):
                from kitops_core.kits.copy_index import copy_index, index_record

                written = copy_index(found.storage, storage, manifest, tags, control, referrers=referrers)
                return index_record(manifest, named, previous=previous, moved=bool(tags), written=written)
            # Storages other than a registry are asked for each blob, for nothing.
            held = into == "registry" and not destination.layout and previous == manifest.digest
            written = copy_manifest(
                found.storage,
                storage,
                manifest,
                tags,
                control,
                referrers=referrers,
                held=held or None,
                keep=not held,
            )
        return (kit or read_kit(found.storage, manifest)).record(named, previous_digest=previous, written=written)

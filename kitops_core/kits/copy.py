"""Copy, push and pull: a kit from one storage to another, its bytes and its digest unchanged."""

from __future__ import annotations

from contextlib import closing
from typing import Literal

from kitops_core.errors import InvalidReferenceError
from kitops_core.kits.chain import missing_parents
from kitops_core.kits.copy_graph import copy_manifest
from kitops_core.kits.stored_kit import read_kit
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Where, parse_reference
from kitops_core.session import Session, digest_of


def push(session: Session, reference: str, to: str = "", *, referrers: bool = True) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.push`."""
    return copy(session, reference, to or reference, where="store", referrers=referrers)


def pull(session: Session, reference: str, *, referrers: bool = False) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.pull`."""
    found = session.find(reference, "registry")
    with closing(found.storage):
        parents = missing_parents(session, found)
    for parent in parents:  # first, so that what is in the store can be unpacked
        copy(session, parent, parent, where="registry", into="store", referrers=referrers)
    return copy(session, reference, reference, where="registry", into="store", referrers=referrers)


def copy(
    session: Session,
    source: str,
    target: str,
    *,
    where: Where = "any",
    into: Literal["store", "registry"] = "registry",
    referrers: bool = False,
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.copy`."""
    destination = parse_reference(target)
    found = session.find(source, where)
    with closing(found.storage):
        kit = read_kit(found.storage, found.manifest)  # before a tag points at something that is no kit
        if destination.digest and destination.digest != found.manifest.digest:
            raise InvalidReferenceError(
                f"'{target}' names another digest than '{source}', which is {found.manifest.digest}",
                hint="name a tag, or leave the digest out",
            )
        tag = destination.tag or ("" if destination.digest else found.reference.tag or DEFAULT_TAG)
        with closing(session.storage(destination, into)) as storage:
            previous = digest_of(storage, tag or found.manifest.digest)
            tags = [tag] if tag and previous != found.manifest.digest else []
            # Storages other than a registry are asked for each blob, for nothing.
            held = into == "registry" and not destination.layout and previous == found.manifest.digest
            if tags and previous:
                storage.keep_present(previous)
            written = copy_manifest(
                found.storage,
                storage,
                found.manifest,
                tags,
                session.control,
                referrers=referrers,
                held=held,
                keep=not held,
            )
        named = destination.with_tag(tag) if tag else destination
        return kit.record(named, previous_digest=previous, written=written)

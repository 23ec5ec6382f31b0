"""Tag: further names for a kit that is there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from kitops_core.errors import InvalidReferenceError
from kitops_core.kits.stored_kit import read_kit
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, Where, check_tag, parse_reference
from kitops_core.session import Session, digest_of
from kitops_core.storage import Storage


def tag(
    session: Session,
    reference: str,
    names: Sequence[str],
    *,
    where: Where = "store",
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.tag`."""
    from kitops_core.kits.copy_graph import copy_manifest

    found = session.find(reference, where)
    with closing(found.storage):
        targets = [_named(found.reference, name) for name in names]
        kit = read_kit(found.storage, found.manifest)  # before a tag points at something that is no kit
        for target in targets:
            if target.name == found.reference.name:
                if _takes(found.storage, target.tag, found.manifest.digest):
                    found.storage.tag(found.manifest.descriptor, target.tag)
            else:
                with closing(session.storage(target, "registry" if found.remote else "store")) as storage:
                    if _takes(storage, target.tag, found.manifest.digest):
                        copy_manifest(found.storage, storage, found.manifest, [target.tag], session.control)
        return kit.record(targets[0] if targets else found.reference)


def _takes(storage: Storage, tag: str, digest: str) -> bool:
    """Whether a tag has to be moved to have a digest; what it has instead is kept."""
    present = digest_of(storage, tag)
    if present and present != digest:
        storage.keep_present(present)
    return present != digest


def _named(kit: Reference, name: str) -> Reference:
    if "/" not in name and ":" not in name and "@" not in name:
        return kit.with_tag(check_tag(name))
    target = parse_reference(name)
    if target.digest:
        raise InvalidReferenceError(f"'{name}' names a digest, which cannot be moved", hint="name a tag")
    return target if target.tag else target.with_tag(DEFAULT_TAG)

"""Tag: further names for a kit that is there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from kitops_core.errors import InvalidReferenceError
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, Where, check_tag, parse_name
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
    from kitops_core.kits.copy_index import copy_index, index_record

    found = session.find_any(reference, where)
    manifest = found.manifest
    with closing(found.storage):
        targets = [_named(found.reference, name) for name in names]
        # before a tag points at something that is no kit
        record = (
            partial(index_record, manifest)
            if isinstance(manifest, KitIndex)
            else read_kit(found.storage, manifest).record
        )
        for target in targets:
            if target.name == found.reference.name:
                if _takes(found.storage, target.tag, manifest.digest):
                    found.storage.tag(manifest.descriptor, target.tag)
                continue
            with closing(session.storage(target, "registry" if found.remote else "store")) as storage:
                if not _takes(storage, target.tag, manifest.digest):
                    continue
                if isinstance(manifest, KitIndex):
                    copy_index(found.storage, storage, manifest, [target.tag], session.control)
                else:
                    copy_manifest(found.storage, storage, manifest, [target.tag], session.control)
        return record(targets[0] if targets else found.reference)


def _takes(storage: Storage, tag: str, digest: str) -> bool:
    """Whether a tag has to be moved to have a digest; what it has instead is kept."""
    present = digest_of(storage, tag)
    if present and present != digest:
        storage.keep_present(present)
    return present != digest


def _named(kit: Reference, name: str) -> Reference:
    if "/" not in name and ":" not in name and "@" not in name:
        return kit.with_tag(check_tag(name))
    target = parse_name(name)
    if target.digest:
        raise InvalidReferenceError(f"'{name}' names a digest, which cannot be moved", hint="name a tag")
    return target if target.tag else target.with_tag(DEFAULT_TAG)

"""What is in a store or a repository, and naming, removing and clearing it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

from kitops_core.errors import IntegrityError, InvalidReferenceError
from kitops_core.kits.stored_kit import read_kit
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, Where, check_tag, parse_reference
from kitops_core.session import Session, digest_of
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.storage.local import LocalRepository


def list_kits(
    session: Session,
    repository: str = "",
    *,
    untagged: bool = False,
) -> list[ModelKitRecord]:
    """See :meth:`kitops_core.Client.list_kits`."""
    if repository:
        reference = parse_reference(repository)
        with closing(session.storage(reference, "registry" if reference.in_registry else "store")) as storage:
            return _records(storage, reference)
    from kitops_core.storage.local import LocalRepository

    local = session.store
    records = []
    for name in local.repositories():
        registry_name, _, path = name.partition("/")
        with closing(LocalRepository(local, name)) as storage:
            tagged = _records(storage, Reference(registry_name, path))
            records += tagged
            if untagged:
                records += _untagged(storage, Reference(registry_name, path), {record.digest for record in tagged})
    return records


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


def remove(
    session: Session,
    reference: str,
    *,
    force: bool = False,
    where: Literal["store", "registry"] = "store",
) -> str:
    """See :meth:`kitops_core.Client.remove`."""
    target = parse_reference(reference)
    with closing(session.storage(target, where)) as storage:
        digest = storage.resolve(target.target).digest
        name = target.tag or DEFAULT_TAG
        if target.digest or force:
            storage.delete(digest)
        elif where == "registry" or any(
            digest_of(storage, other) == digest for other in storage.tags() if other != name
        ):
            storage.untag(name)
        else:
            storage.delete(digest)
        return digest


def remove_all(session: Session, *, tagged: bool = False) -> list[str]:
    """See :meth:`kitops_core.Client.remove_all`."""
    from kitops_core.storage.local import LocalRepository

    local = session.store
    removed = []
    for name in local.repositories():
        registry_name, _, path = name.partition("/")
        with closing(LocalRepository(local, name)) as storage:
            keep = set() if tagged else _with_attached(storage, {digest_of(storage, tag) for tag in storage.tags()})
            for manifest in storage.manifests():
                if manifest.digest not in keep:
                    storage.delete(manifest.digest)
                    removed.append(str(Reference(registry_name, path, digest=manifest.digest)))
    return removed


def _with_attached(storage: Storage, digests: set[str]) -> set[str]:
    """Some manifests, and all that is attached to them, and to that in turn."""
    found, waiting = set(digests), list(digests)
    while waiting:
        attached = {descriptor.digest for descriptor in storage.referrers(waiting.pop())} - found
        found |= attached
        waiting += attached
    return found


def _named(kit: Reference, name: str) -> Reference:
    if "/" not in name and ":" not in name and "@" not in name:
        return kit.with_tag(check_tag(name))
    target = parse_reference(name)
    if target.digest:
        raise InvalidReferenceError(f"'{name}' names a digest, which cannot be moved", hint="name a tag")
    return target if target.tag else target.with_tag(DEFAULT_TAG)


def _records(storage: Storage, reference: Reference) -> list[ModelKitRecord]:
    records = []
    for name in storage.tags():
        try:
            manifest = storage.manifest(name)
            records.append(read_kit(storage, manifest).record(reference.with_tag(name)))
        except IntegrityError:
            continue  # an image or an index beside the kits is not an error of this listing
    return records


def _untagged(storage: LocalRepository, reference: Reference, tagged: set[str]) -> list[ModelKitRecord]:
    records = []
    for descriptor in storage.manifests():
        if descriptor.digest not in tagged:
            try:
                manifest = storage.manifest(descriptor.digest)
                records.append(read_kit(storage, manifest).record(reference))
            except IntegrityError:
                continue
    return records

"""What is in a store or a repository, and naming, removing and clearing it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import IntegrityError, InvalidReferenceError
from kitops_core.kits.find import digest_of, find_kit, open_storage
from kitops_core.kits.stored_kit import read_kit
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, check_tag, parse_reference
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.storage.local import LocalRepository
    from kitops_core.storage.registry import RegistryOptions


def list_kits(
    repository: str = "",
    *,
    untagged: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
) -> list[ModelKitRecord]:
    """Every tagged kit of the local store, or of one repository in a registry or layout.

    Manifests that are not kits are passed over.

    Args:
        repository: The repository; the local store where it is empty.
        untagged: Of the local store, also the kits without a tag, such as those whose tag moved on.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Raises:
        NotFoundError: The registry has no such repository.
    """
    if repository:
        reference = parse_reference(repository)
        remote = not reference.is_local_name and not reference.layout
        with closing(open_storage(reference, remote=remote, store=store, registry=registry)) as storage:
            return _records(storage, reference)
    from kitops_core.storage.local import LocalRepository, LocalStore

    local = LocalStore(store)
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
    reference: str,
    names: Sequence[str],
    *,
    remote: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
) -> ModelKitRecord:
    """Give a kit further names: tags of its repository, or whole references.

    A tag that has the kit already is left alone, and what another one had is kept.

    Args:
        reference: The kit.
        names: A tag (``prod``) or a reference (``registry/other:1.0``), each.
        remote: Work in the registry rather than in the local store.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Raises:
        NotFoundError: There is no such kit.
        InvalidReferenceError: A name is neither a tag nor a reference with a tag.
    """
    from kitops_core.events import Control
    from kitops_core.kits.copy_graph import copy_manifest

    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        targets = [_named(found.reference, name) for name in names]
        kit = read_kit(found.storage, found.manifest)  # before a tag points at something that is no kit
        for target in targets:
            if target.name == found.reference.name:
                if _takes(found.storage, target.tag, found.manifest.digest):
                    found.storage.tag(found.manifest.descriptor, target.tag)
            else:
                with closing(open_storage(target, remote=remote, store=store, registry=registry)) as storage:
                    if _takes(storage, target.tag, found.manifest.digest):
                        copy_manifest(found.storage, storage, found.manifest, [target.tag], Control())
        return kit.record(targets[0] if targets else found.reference)


def _takes(storage: Storage, tag: str, digest: str) -> bool:
    """Whether a tag has to be moved to have a digest; what it has instead is kept."""
    present = digest_of(storage, tag)
    if present and present != digest:
        storage.keep_present(present)
    return present != digest


def remove(
    reference: str,
    *,
    force: bool = False,
    remote: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
) -> str:
    """Remove a kit by digest with all its tags, or by tag that tag only.

    In the local store, as in the reference CLI, a kit goes with its last tag. Blobs stay until
    :func:`~kitops_core.storage.local.collect_garbage` finds them unused.

    Args:
        reference: The kit.
        force: Remove the kit and all its tags though it is named by a tag.
        remote: Remove it from the registry rather than from the local store.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Returns:
        The digest the reference had.

    Raises:
        NotFoundError: There is no such kit.
        DeniedError, RegistryError: The registry refused or failed.
    """
    target = parse_reference(reference)
    with closing(open_storage(target, remote=remote, store=store, registry=registry)) as storage:
        digest = storage.resolve(target.target).digest
        name = target.tag or DEFAULT_TAG
        if target.digest or force:
            storage.delete(digest)
        elif remote or any(digest_of(storage, other) == digest for other in storage.tags() if other != name):
            storage.untag(name)
        else:
            storage.delete(digest)
        return digest


def remove_all(*, tagged: bool = False, store: Path | None = None) -> list[str]:
    """Remove the kits of the local store that have no tag, and with ``tagged`` all the others too.

    What is attached to a kit that stays, stays; what was attached to others goes with the next ``gc``.

    Returns:
        What was removed, as ``registry/repository@digest``.

    Raises:
        StoreError: The store cannot be read or written.
    """
    from kitops_core.storage.local import LocalRepository, LocalStore

    local = LocalStore(store)
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

"""Remove: one kit, or all that nothing names."""

from __future__ import annotations

from contextlib import closing
from typing import Literal

from kitops_core.reference import DEFAULT_TAG, Reference, parse_reference
from kitops_core.session import Session, digest_of
from kitops_core.storage import Storage


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

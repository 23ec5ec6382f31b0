"""Remove: one kit, or all that nothing names."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Literal

from kitops_core.errors import ConflictError
from kitops_core.events import Control
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.media_types import IMAGE_INDEX
from kitops_core.parallel import run_all
from kitops_core.reference import DEFAULT_TAG, Reference, parse_name
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
    target = parse_name(reference)
    with closing(session.storage(target, where)) as storage:
        digest = storage.resolve(target.target).digest
        name = target.tag or DEFAULT_TAG
        if target.digest or force:
            if where == "registry":
                _check_not_of_an_index(storage, digest, session.control)
            storage.delete(digest)
        elif where == "registry" or any(
            digest_of(storage, other) == digest for other in storage.tags() if other != name
        ):
            storage.untag(name)
        else:
            storage.delete(digest)
        return digest


def remove_all(session: Session, *, tagged: bool = False, names: Sequence[str] | None = None) -> list[str]:
    """See :meth:`kitops_core.Client.remove_all`; ``names`` are repositories of the local store instead of all."""
    from kitops_core.storage.local import LocalRepository

    local = session.store
    removed = []
    for name in local.repositories() if names is None else names:
        registry_name, _, path = name.partition("/")
        with closing(LocalRepository(local, name)) as storage:
            keep = set() if tagged else _with_attached(storage, {digest_of(storage, tag) for tag in storage.tags()})
            for manifest in storage.manifests():
                if manifest.digest not in keep:
                    storage.delete(manifest.digest)
                    removed.append(str(Reference(registry_name, path, digest=manifest.digest)))
    return removed


def _check_not_of_an_index(storage: Storage, digest: str, control: Control) -> None:
    """See that no index would be left without one of its kits. In the local store such a kit stays for the index.

    Raises:
        ConflictError: An index that has a tag names it.
    """

    def names_it(tag: str, control: Control) -> bool:
        control.check()
        if storage.resolve(tag).media_type != IMAGE_INDEX:
            return False
        index = storage.read(tag)
        return isinstance(index, KitIndex) and index.find(digest) is not None

    tags = [*storage.tags()]
    found = run_all([partial(names_it, tag) for tag in tags], control)
    indexes = [f"{storage.name}:{tag}" for tag, named in zip(tags, found, strict=True) if named]
    if indexes:
        raise ConflictError(
            f"{storage.name}@{digest} is a kit of the index {' and '.join(indexes)}",
            hint="take it out of the index and push that, or remove the index first",
        )


def _with_attached(storage: Storage, digests: set[str]) -> set[str]:
    """Some manifests, and all that is attached to them, and to that in turn."""
    found, waiting = set(digests), list(digests)
    while waiting:
        attached = {descriptor.digest for descriptor in storage.referrers(waiting.pop())} - found
        found |= attached
        waiting += attached
    return found

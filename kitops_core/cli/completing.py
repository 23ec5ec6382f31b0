"""What the shell offers when a reference is completed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from kitops_core.errors import KitOpsError
from kitops_core.reference import Reference


def local_references(store: Path | None) -> list[str]:
    """Every tagged kit of the local store; none where it cannot be read, for a completion must not fail."""
    from kitops_core.storage.local import LocalRepository, LocalStore

    names = []
    try:
        local = LocalStore(store)
        for name in local.repositories():
            registry, _, path = name.partition("/")
            with closing(LocalRepository(local, name)) as repository:
                names += [str(Reference(registry, path, tag)) for tag in repository.tags()]
    except KitOpsError:
        return []
    return names

"""From a reference to the storage it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from kitops_core.errors import InvalidReferenceError, NotFoundError
from kitops_core.reference import Reference, parse_reference
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.oci.manifest import Manifest
    from kitops_core.storage.registry import RegistryOptions


def open_storage(
    reference: Reference, *, remote: bool, store: Path | None = None, registry: RegistryOptions | None = None
) -> Storage:
    """The layout directory, the registry (``remote``) or the local store a reference names.

    Raises:
        InvalidReferenceError: ``remote`` is asked for and the name has no registry.
    """
    if reference.layout:
        from kitops_core.storage.local import LayoutRepository

        return LayoutRepository(Path(reference.layout), create=True)
    if remote:
        if reference.is_local_name:
            raise InvalidReferenceError(
                f"'{reference}' names no registry, so it only ever means the local store",
                hint="write the registry's host first: registry.example.com/" + str(reference),
            )
        from kitops_core.storage.registry import RegistryRepository

        return RegistryRepository(reference.registry, reference.repository, registry)
    from kitops_core.storage.local import LocalRepository, LocalStore

    return LocalRepository(LocalStore(store), reference.name)


class FoundKit(NamedTuple):
    """Where a kit was found.

    Attributes:
        reference: What was asked for, pinned to the digest found; its tag is kept.
        storage: The open storage that has it; whoever asked closes it.
        manifest: Its manifest.
        remote: Whether the storage is a registry.
    """

    reference: Reference
    storage: Storage
    manifest: Manifest
    remote: bool

    @property
    def where(self) -> Literal["registry", "local store", "layout"]:
        """The kind of storage it was found in."""
        if self.reference.layout:
            return "layout"
        return "registry" if self.remote else "local store"


def find_kit(
    text: str, *, remote: bool | None = None, store: Path | None = None, registry: RegistryOptions | None = None
) -> FoundKit:
    """The kit a reference names: in the local store first, then in its registry.

    Args:
        text: The reference.
        remote: ``True`` looks in the registry only, ``False`` in the local store only.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.

    Raises:
        NotFoundError: The kit is in none of them; the message names where it was looked for.
    """
    reference = parse_reference(text)
    if remote is not None:
        places = [remote and not reference.layout]
    else:
        places = [False] if reference.is_local_name or reference.layout else [False, True]
    for place in places:
        storage = open_storage(reference, remote=place, store=store, registry=registry)
        try:
            manifest = storage.manifest(reference.target)
            return FoundKit(replace(reference, digest=manifest.digest), storage, manifest, place)
        except NotFoundError:
            storage.close()
        except BaseException:
            storage.close()
            raise
    where = {True: reference.registry, False: reference.layout or "the local store"}
    raise NotFoundError(
        f"'{text}' is not in " + " and not in ".join(where[place] for place in places),
        hint=f"see what is there with `kitops list{' ' + reference.name if places[-1] else ''}`",
    )


def digest_of(storage: Storage, target: str) -> str:
    """The digest behind a tag or digest, or an empty string where there is none."""
    try:
        return storage.resolve(target).digest
    except NotFoundError:
        return ""

"""From what a user names - a reference, a kit, a block or a block's name - to what the engine is called with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kitops_core.reference import Reference, parse_reference
from prefect_kitops.credentials import OCIRegistryCredentials
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.repository import ModelKitRepository

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions

RegistryBlock: TypeAlias = ModelKitRepository | OCIRegistryCredentials
Kit: TypeAlias = str | ModelKitRef


class Place(NamedTuple):
    """A kit's place and how to get there.

    Attributes:
        reference: The full reference.
        remote: Whether it is in a registry, rather than in the local store or a layout.
        options: How the engine talks to the registry.
        url: The repository's page for people, or an empty string.
    """

    reference: Reference
    remote: bool
    options: RegistryOptions | None
    url: str


def find_place(kit: Kit, registry: RegistryBlock | str | None = None) -> Place:
    """Where a kit is.

    A kit under a registry's name is only ever looked for in that registry: what a local store on the machine
    of a run has under the same name is chance.

    Args:
        kit: A reference, a kit of an earlier task, or with a ``ModelKitRepository`` only a tag or digest.
        registry: A block, or the name of a saved ``ModelKitRepository``.

    Raises:
        InvalidReferenceError: The reference does not follow the grammar.
        InvalidInputError: The block's settings contradict each other.
    """
    block = load_block(registry)
    text = str(kit)
    reference = parse_reference(block.reference(text) if isinstance(block, ModelKitRepository) else text)
    remote = not reference.is_local_name and not reference.layout
    return Place(reference, remote, block.get_client() if block else None, _url(reference, remote, block))


def load_block(registry: RegistryBlock | str | None) -> RegistryBlock | None:
    """The block itself, loaded from Prefect where only its name is given.

    Args:
        registry: A block; the name of a saved ``ModelKitRepository``; or of any block with its type, as in
            ``oci-registry-credentials/ghcr``.

    Raises:
        NotFoundError: No such block was saved.
        InvalidInputError: It is a block of another type.
    """
    if not isinstance(registry, str):
        return registry
    if not registry:
        return None
    from prefect.blocks.core import Block

    from kitops_core.errors import InvalidInputError, NotFoundError

    name = registry if "/" in registry else f"{ModelKitRepository.get_block_type_slug()}/{registry}"
    try:
        loaded = Block.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError as error:
        raise NotFoundError(
            f"no block '{name}' was saved in this Prefect",
            hint=f"`prefect block ls` shows those that were; ModelKitRepository(...).save('{registry}') makes one",
        ) from error
    if not isinstance(loaded, (ModelKitRepository, OCIRegistryCredentials)):
        raise InvalidInputError(
            f"block '{name}' is of another type", hint="name a ModelKitRepository or OCIRegistryCredentials"
        )
    return loaded


def as_path(path: str | os.PathLike[str]) -> str:
    """A path as the engine takes it, ``~`` expanded."""
    return os.path.expanduser(os.fspath(path))


def _url(reference: Reference, remote: bool, block: RegistryBlock | None) -> str:
    from kitops_core.storage.registry.hosts import is_loopback

    if isinstance(block, ModelKitRepository) and block.web_url and reference.name == block.full_name:
        return block.web_url
    # A registry on this machine has no page that anybody else could look at.
    return f"https://{reference.name}" if remote and not is_loopback(reference.registry) else ""

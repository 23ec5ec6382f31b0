"""From what a user names - a reference, a kit, a block or a block's name - to a client of the engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import kitops_core as kitops
from kitops_core.orchestrate.names import page_of
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.registry import OCIRegistry
from prefect_kitops.repository import ModelKitRepository
from prefect_kitops.running import CANCEL, patiently
from prefect_kitops.source import current_source

Block: TypeAlias = ModelKitRepository | OCIRegistry
Registry: TypeAlias = Block | str | Sequence[Block | str] | None
"""What a task takes as ``registry``: a block or the name of a saved one; several where several registries take part."""
Kit: TypeAlias = str | ModelKitRef

DEFAULT_POLICY = "promotion.yaml"


@dataclass(frozen=True)
class Connection:
    """The blocks that a task was given.

    Attributes:
        repository: The first repository among them, which completes tags and has a promotion policy.
        registries: How to talk to each registry, by host.
        signer: The private key of the first block that has one.
    """

    repository: ModelKitRepository | None
    registries: kitops.Registries
    signer: str | None = field(default=None, repr=False)

    def client(
        self,
        *,
        on_event: Callable[[kitops.Event], None] | None = None,
        actor: str = "",
    ) -> kitops.Client:
        """A client that works for the run at hand, and stops where the run's task is cancelled.

        Args:
            on_event: Called with progress.
            actor: Who works, where Prefect does not know.
        """
        run = current_source()
        return kitops.Client(
            registries=self.registries,
            signer=self.signer,
            run=replace(run, actor=actor) if actor else run,
            on_event=on_event,
            cancel=CANCEL.get(),
        )

    def reference(self, kit: Kit) -> kitops.Reference:
        """The full reference of a kit; with a repository a tag or digest is enough.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        text = str(kit)
        return kitops.parse_reference(self.repository.reference(text) if self.repository else text)

    def url(self, reference: kitops.Reference) -> str:
        """The repository's page for people, or an empty string."""
        own = self.repository
        return own.web_url if own and own.web_url and reference.name == own.full_name else page_of(reference)

    def policy(self, named: str | os.PathLike[str] = "") -> kitops.PromotionPolicy:
        """The promotion policy: the one that is named, the repository's, or ``promotion.yaml``.

        Raises:
            InvalidInputError: It cannot be read, or has problems.
        """
        return kitops.load_policy(as_path(named or (self.repository.policy if self.repository else DEFAULT_POLICY)))


def connect(registry: Registry = None) -> Connection:
    """What blocks say, of one registry or of several.

    Args:
        registry: Blocks, or names of saved ones: of a ``ModelKitRepository``, or of any with its type, as in
            ``oci-registry/ghcr``.

    Raises:
        NotFoundError: No such block was saved.
        InvalidInputError: A block is of another type, or two say different things of one host.
    """
    given: Sequence[Block | str] = (
        () if not registry else [registry] if isinstance(registry, (str, ModelKitRepository, OCIRegistry)) else registry
    )
    blocks = [load_block(block) if isinstance(block, str) else block for block in given]
    repository = next((block for block in blocks if isinstance(block, ModelKitRepository)), None)
    hosts: dict[str, kitops.RegistryOptions] = {}
    registries = [block.registry if isinstance(block, ModelKitRepository) else block for block in blocks]
    for own in registries:
        options = own.options()
        if hosts.setdefault(own.host, options) != options:
            raise kitops.InvalidInputError(
                f"two blocks say different things of {own.host}", hint="give one block for each registry"
            )
    signer = next((key for own in registries if (key := own.signing_key())), None)
    return Connection(repository, kitops.Registries(hosts), signer)


def load_block(name: str) -> Block:
    """The block that was saved under a name.

    Raises:
        NotFoundError: No such block was saved.
        InvalidInputError: It is a block of another type.
    """
    from prefect.blocks.core import Block as AnyBlock

    full = name if "/" in name else f"{ModelKitRepository.get_block_type_slug()}/{name}"
    try:
        loaded = patiently(lambda: AnyBlock.load(full, _sync=True))  # type: ignore[call-arg]
    except ValueError as error:
        raise kitops.NotFoundError(
            f"no block '{full}' was saved in this Prefect",
            hint=f"`prefect block ls` shows those that were; ModelKitRepository(...).save('{name}') makes one",
        ) from error
    if not isinstance(loaded, (ModelKitRepository, OCIRegistry)):
        raise kitops.InvalidInputError(
            f"block '{full}' is of another type", hint="name a ModelKitRepository or an OCIRegistry"
        )
    return loaded


def place_of(reference: kitops.Reference) -> kitops.Where:
    """Which storage a kit is in.

    A kit under a registry's name is only ever looked for in that registry: what a local store on the machine of a run
    has under the same name is chance.
    """
    return "registry" if reference.in_registry else "store"


def as_path(path: str | os.PathLike[str]) -> str:
    """A path as the engine takes it, ``~`` expanded."""
    return os.path.expanduser(os.fspath(path))

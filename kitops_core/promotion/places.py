"""The repositories that channels and candidates are in, each opened once and closed together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kitops_core.errors import NotFoundError
from kitops_core.kits.find import FoundKit, open_storage
from kitops_core.reference import Reference

if TYPE_CHECKING:
    from kitops_core.storage import Storage
    from kitops_core.storage.registry import RegistryOptions


class Places:
    """Opens what references name: the registry where they name one, else the local store or the layout.

    A promotion moves what others can see, so a kit under a registry's name is never read from the local store here.

    Args:
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
    """

    def __init__(self, store: Path | None = None, registry: RegistryOptions | None = None) -> None:
        self._store = store
        self._registry = registry
        self._open: dict[str, Storage] = {}
        self._found: dict[Reference, FoundKit | None] = {}
        self._stack = ExitStack()

    def storage(self, reference: Reference) -> Storage:
        """The repository of ``reference``."""
        storage = self._open.get(reference.name)
        if storage is None:
            storage = open_storage(reference, remote=is_remote(reference), store=self._store, registry=self._registry)
            self._stack.callback(storage.close)
            self._open[reference.name] = storage
        return storage

    def find(self, reference: Reference) -> FoundKit | None:
        """The kit ``reference`` names, pinned to its digest; ``None`` where there is none.

        A tag is resolved once: who asks again is given the same kit.

        Raises:
            DeniedError, RegistryError, IntegrityError: It cannot be read.
        """
        if reference not in self._found:
            self._found[reference] = self._find(reference)
        return self._found[reference]

    def _find(self, reference: Reference) -> FoundKit | None:
        storage = self.storage(reference)
        try:
            manifest = storage.manifest(reference.target)
        except NotFoundError:
            return None
        return FoundKit(replace(reference, digest=manifest.digest), storage, manifest, is_remote(reference))

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def is_remote(reference: Reference) -> bool:
    """Whether a promotion looks for ``reference`` in a registry."""
    return not reference.is_local_name and not reference.layout

"""The repositories that channels and candidates are in, each opened once and closed together."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from kitops_core.errors import NotFoundError
from kitops_core.promotion.gates.candidate import Readings
from kitops_core.reference import Reference
from kitops_core.session import Found, FoundAny, Session, digest_of

if TYPE_CHECKING:
    from kitops_core.storage import Storage


class Places:
    """Opens what references name: the registry where they name one, else the local store or the layout.

    It can be used from several threads.

    A promotion moves what others can see, so a kit under a registry's name is never read from the local store here.

    Args:
        session: What opens repositories.

    Attributes:
        readings: What was read of the kits in them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._open: dict[str, Storage] = {}
        self._found: dict[Reference, FoundAny | None] = {}
        self._digests: dict[Reference, str] = {}
        self.readings = Readings()
        self._stack = ExitStack()

    def storage(self, reference: Reference) -> Storage:
        """The repository of ``reference``."""
        with self._lock:
            storage = self._open.get(reference.name)
            if storage is None:
                storage = self._session.storage(reference, "registry" if reference.in_registry else "store")
                self._stack.callback(storage.close)
                self._open[reference.name] = storage
            return storage

    def digest(self, reference: Reference) -> str:
        """What a tag or digest has, or an empty string; :meth:`find` then finds that very kit.

        Raises:
            DeniedError, RegistryError: It cannot be read.
        """
        if reference not in self._digests:
            self._digests[reference] = digest_of(self.storage(reference), reference.target)
        return self._digests[reference]

    def find(self, reference: Reference) -> FoundAny | None:
        """The kit or index ``reference`` names, pinned to its digest; ``None`` where there is none.

        A tag is resolved once: who asks again is given the same kit.

        Raises:
            DeniedError, RegistryError, IntegrityError: It cannot be read.
        """
        if reference not in self._found:
            known = None if reference.digest or reference.select else self._digests.get(reference)
            if known is None:
                self._found[reference] = self._find(reference)
            else:
                self._found[reference] = self.find(reference.with_digest(known)) if known else None
        return self._found[reference]

    def forget(self) -> None:
        """Forget what was read, for a tag has moved; what was opened stays open."""
        self._found.clear()
        self._digests.clear()
        self.readings = Readings()

    def _find(self, reference: Reference) -> FoundAny | None:
        storage = self.storage(reference.whole)
        if reference.select:  # one kit of an index
            try:
                chosen = self._session.find(reference, "registry" if reference.in_registry else "store")
            except NotFoundError:
                if not digest_of(storage, reference.target):
                    return None
                raise
            chosen.storage.close()
            return Found(chosen.reference, storage, chosen.manifest, chosen.remote)
        try:
            manifest = storage.read(reference.target)
        except NotFoundError:
            return None
        return Found(replace(reference, digest=manifest.digest), storage, manifest, reference.in_registry)

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

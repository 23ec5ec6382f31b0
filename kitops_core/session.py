"""What a client works with: its store, its registries, its signer, the run it works for; and finding kits in them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kitops_core.errors import IntegrityError, InvalidInputError, InvalidReferenceError, NotFoundError, StoreError
from kitops_core.events import Cancel, Control, Event
from kitops_core.found import Found as Found
from kitops_core.found import FoundAny as FoundAny
from kitops_core.found import FoundKit as FoundKit
from kitops_core.found import not_found
from kitops_core.reference import Place, Reference, Where, parse_reference, places_of
from kitops_core.registries import Registries

if TYPE_CHECKING:
    from kitops_core.record import Source
    from kitops_core.signing.keys import SigningKey
    from kitops_core.storage import Storage
    from kitops_core.storage.local import LocalStore
    from kitops_core.storage.local.layer_cache import LayerCache
    from kitops_core.storage.registry import RegistryRepository
    from kitops_core.storage.registry.transport import Transport


class Session:
    """Where and how one client works. Safe to use from several threads, and in a child that was forked.

    Each repository of a registry is opened once; its connections and tokens stay until the session is closed.

    Args:
        store: The local store's directory, where it is not the default.
        registries: How to talk to registries.
        signer: The private key that signs, or where to load it from when it is first needed.
        run: The pipeline run that works.
        on_event: Called with progress.
        cancel: A switch that stops what is under way.
        on_lineage: Called with what verbs make, instead of sending that as OpenLineage's configuration says.

    Attributes:
        registries: How to talk to registries.
        control: Progress and cancelling.
        at_close: What is done once when the session is closed.
    """

    def __init__(
        self,
        *,
        store: str | os.PathLike[str] | None = None,
        registries: Registries | None = None,
        signer: SigningKey | str | Path | None = None,
        run: Source | None = None,
        on_event: Callable[[Event], None] | None = None,
        cancel: Cancel | None = None,
        on_lineage: Callable[[Any], None] | None = None,
    ) -> None:
        self.registries = registries or Registries()
        self._run = run
        self.control = Control(on_event, cancel)
        self.on_lineage = on_lineage
        self.at_close: list[Callable[[], None]] = []
        self._store = Path(store) if store is not None else None
        self._signer = signer
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._transports: dict[str, Transport] = {}
        self._repositories: dict[tuple[str, str], RegistryRepository] = {}

    @property
    def run(self) -> Source:
        """The pipeline run that works; empty where a person does."""
        from kitops_core.record import Source

        return self._run or Source()

    @property
    def store(self) -> LocalStore:
        """The local store."""
        from kitops_core.storage.local import LocalStore

        return LocalStore(self._store, control=self.control)

    def layer_cache(self) -> LayerCache:
        """What was packed before; nothing, where there is no home that it could be in."""
        from kitops_core.storage.local.layer_cache import LayerCache

        try:
            return self.store.layer_cache()
        except StoreError:
            return LayerCache(Path(os.devnull) / "no-home")

    @property
    def home(self) -> Path | None:
        """The local store's directory, where it is not the default one."""
        return self._store

    @property
    def signer(self) -> SigningKey | None:
        """The key that signs, if there is one.

        Raises:
            InvalidInputError: It cannot be loaded.
        """
        if self._signer is None:
            return None
        from kitops_core.signing.keys import SigningKey

        with self._lock:
            if not isinstance(self._signer, SigningKey):
                self._signer = SigningKey.load(self._signer)
            return self._signer

    def need_signer(self, what: str) -> SigningKey:
        """The key that signs.

        Raises:
            InvalidInputError: There is none, or it cannot be loaded.
        """
        if (signer := self.signer) is None:
            raise InvalidInputError(f"there is no key to sign {what} with", hint="give the client one: signer=...")
        return signer

    def storage(self, reference: Reference, where: Place, control: Control | None = None) -> Storage:
        """The layout directory, registry (asked under ``control``) or local store of a reference; close it after use.

        Raises:
            InvalidReferenceError: The registry is asked for, and the name has none; or the name chooses of an index.
        """
        if reference.select:
            raise InvalidReferenceError(
                f"'{reference}' chooses a kit of an index, which only names what is read",
                hint=f"write {reference.whole}",
            )
        if reference.layout:
            from kitops_core.storage.local import LayoutRepository

            return LayoutRepository(Path(reference.layout), create=True, control=self.control)
        if where == "store":
            from kitops_core.storage.local import LocalRepository

            return LocalRepository(self.store, reference.name)
        if reference.is_local_name:
            raise InvalidReferenceError(
                f"'{reference}' names no registry, so it only ever means the local store",
                hint=f"write the registry's host first: registry.example.com/{reference}",
            )
        return self._repository(reference.registry, reference.repository, control)

    def find(self, text: str | Reference, where: Where = "any") -> FoundKit:
        """The one kit a reference names; with ``any`` in the local store first, then in its registry.

        Of an index it is the kit that the reference's rules choose (:mod:`kitops_core.oci.choosing`). This function and
        :meth:`find_any` are the only ones that tell a kit from an index.

        Raises:
            NotFoundError: The kit is in none of them; the message names where it was looked for. Or no kit of the index
                meets the rules; the message lists those there are.
            InvalidInputError: It is an index and nothing says which kit, or several are left; lists them as well.
        """
        reference = text if isinstance(text, Reference) else parse_reference(text)
        found = self._look(reference, where)
        from kitops_core.oci.kit_index import KitIndex

        if not isinstance(found.manifest, KitIndex):
            self._say_without_effect(reference)
            return Found(found.reference, found.storage, found.manifest, found.remote)
        from kitops_core.machine import machine_rules
        from kitops_core.oci.choosing import choose

        index = found.manifest
        try:
            chosen = choose(index, reference.select, str(reference.whole), machine_rules)
        finally:
            found.storage.close()
        try:
            kit = self._look(replace(reference.whole, digest=chosen.digest), where)
        except NotFoundError as error:
            raise NotFoundError(
                f"{reference.whole} names the kit {chosen.describe()}, and it is not there: {error.message}",
                hint="an index names kits by digest: push or pull that kit, or take it out with `kitops index remove`",
            ) from None
        if isinstance(kit.manifest, KitIndex):
            kit.storage.close()
            index.check_no_index_within(str(reference.whole))
            raise IntegrityError(f"{kit.reference} is an index, and {reference.whole} says that it is a kit")
        return Found(kit.reference, kit.storage, kit.manifest, kit.remote, index)

    def find_any(self, text: str | Reference, where: Where = "any") -> FoundAny:
        """What a reference names as a whole, a kit or an index; with rules that choose, the one kit, as :meth:`find`.

        Raises:
            NotFoundError, InvalidInputError: As for :meth:`find`.
        """
        reference = text if isinstance(text, Reference) else parse_reference(text)
        return self.find(reference, where) if reference.select else self._look(reference, where)

    def _look(self, reference: Reference, where: Where) -> FoundAny:
        bare = reference.whole
        for place in self._places(bare, where):
            remote = place == "registry" and not bare.layout
            storage = self.storage(bare, place)
            try:
                manifest = storage.read(bare.target, index_first=bool(reference.select))
                return Found(replace(bare, digest=manifest.digest), storage, manifest, remote)
            except NotFoundError:
                storage.close()
            except BaseException:
                storage.close()
                raise
        raise not_found(bare, places_of(bare, where))

    def _say_without_effect(self, reference: Reference) -> None:
        if reference.select:
            labels = ", ".join(reference.select)
            detail = f"{reference.whole} is one kit and no index, so that the label {labels} chooses nothing"
            self.control.emit(Event("warning", str(reference.whole), detail=detail))

    def resolve(self, text: str, where: Where = "any") -> str:
        """The digest that a reference names now. A registry is asked without fetching the manifest.

        Registries that count pulls do not count this, so it is what a tag is watched with. Of an index it is the
        index's own, unless rules choose a kit: then the index is read.

        Raises:
            NotFoundError: As for :meth:`find`.
        """
        reference = parse_reference(text)
        if reference.select:
            found = self.find(reference, where)
            found.storage.close()
            return found.manifest.digest
        for place in self._places(reference, where):
            storage = self.storage(reference, place)
            try:
                if digest := digest_of(storage, reference.target):
                    return digest
            finally:
                storage.close()
        raise not_found(reference, places_of(reference, where))

    def _places(self, reference: Reference, where: Where) -> list[Place]:
        """Which storages to look in for a kit, in this order. A worker may have no local store that it could read."""
        places = places_of(reference, where)
        return places if len(places) < 2 or self._has_store() else places[1:]

    def _has_store(self) -> bool:
        try:
            os.stat(self.store.root)
        except (StoreError, PermissionError):
            return False
        except OSError:  # told where it is read
            return True
        return True

    def find_subject(self, text: str, where: Where = "any") -> FoundAny:
        """What something is, or is to be, attached to; with ``any`` in the registry where the name has one.

        What hangs on a copy in the local store is seen by nobody else, so a copy that a pull left there is not meant.

        Raises:
            NotFoundError: It is not there.
        """
        reference = parse_reference(text)
        return self.find_any(reference, _of_subject(reference, where))

    def find_subject_kit(self, text: str, where: Where = "any") -> FoundKit:
        """The one kit that something is attached to; see :meth:`find_subject`.

        Raises:
            NotFoundError, InvalidInputError: As for :meth:`find`.
        """
        reference = parse_reference(text)
        return self.find(reference, _of_subject(reference, where))

    def close(self) -> None:
        """Close the connections. The session can still be used, and opens them again."""
        while self.at_close:
            self.at_close.pop()()
        with self._lock:
            if self._process == os.getpid():  # a forked child leaves its parent's connections alone
                for transport in self._transports.values():
                    transport.close()
            self._transports.clear()
            self._repositories.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def repositories(self, registry: str) -> list[str]:
        """The names of all repositories of a registry, sorted, where it tells them.

        Raises:
            NotFoundError, DeniedError: It does not tell.
            IntegrityError: There are too many.
            RegistryError: It failed.
        """
        from kitops_core.storage.registry.repositories_list import list_repositories

        with self._lock:
            transport = self._transport(registry)
        return list_repositories(transport, registry, self.control)

    def _transport(self, registry: str) -> Transport:
        from kitops_core.storage.registry.transport import Transport

        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if registry not in self._transports:
            self._transports[registry] = Transport(self.registries.options(registry))
        return self._transports[registry]

    def _repository(self, registry: str, name: str, control: Control | None = None) -> RegistryRepository:
        with self._lock:
            transport = self._transport(registry)
            if control is not None:
                return self._new_repository(registry, name, transport, control)
            if (registry, name) not in self._repositories:
                self._repositories[registry, name] = self._new_repository(registry, name, transport, self.control)
            return self._repositories[registry, name]

    def _new_repository(self, registry: str, name: str, transport: Transport, control: Control) -> RegistryRepository:
        from kitops_core.storage.registry import RegistryRepository

        return RegistryRepository(registry, name, control=control, transport=transport)


def digest_of(storage: Storage, target: str) -> str:
    """The digest behind a tag or digest, or an empty string where there is none."""
    try:
        return storage.resolve(target).digest
    except NotFoundError:
        return ""


def _of_subject(reference: Reference, where: Where) -> Where:
    return "registry" if where == "any" and reference.in_registry else where

"""Repositories as they are during one build: each tag is looked at once, and what has a digest is read once."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kitops_core.catalogs.cache import MAX_CONTENT_BYTES, Cache
from kitops_core.errors import KitOpsError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci.blob import BlobReader
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.own_tags import is_listed, is_own_tag, kept_digest
from kitops_core.oci.referrers_tag import subject_of
from kitops_core.reference import is_digest
from kitops_core.session import Session
from kitops_core.storage.registry.endpoint import PULL, Endpoint
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest
from kitops_core.storage.registry.parts import Parts
from kitops_core.storage.registry.repository import RegistryRepository
from kitops_core.storage.registry.tags_list import list_tags

if TYPE_CHECKING:
    from kitops_core.storage.registry.transport import Transport


class SnapshotSession(Session):
    """A session whose registries are looked at once, for one build.

    Args:
        session: Whose registries, progress and switch are used.
        cache: What is known from the build before.
    """

    def __init__(self, session: Session, cache: Cache) -> None:
        super().__init__(store=session.home, registries=session.registries)
        self.control = session.control.asking()
        self._cache = cache

    def repository(self, registry: str, name: str) -> SnapshotRepository:
        """The snapshot of one repository."""
        found = self._repository(registry, name)
        assert isinstance(found, SnapshotRepository)  # noqa: S101 - what _new_repository makes
        return found

    def _new_repository(self, registry: str, name: str, transport: Transport, control: Control) -> SnapshotRepository:
        return SnapshotRepository(registry, name, control=control, transport=transport, cache=self._cache)


class SnapshotRepository(RegistryRepository):
    """A repository that is only read, and that stays what it was when it was first looked at."""

    def __init__(self, registry: str, repository: str, *, control: Control, transport: Transport, cache: Cache) -> None:
        super().__init__(registry, repository, control=control, transport=transport)
        self._cache = cache
        self._lock = threading.Lock()
        self._all: tuple[str, ...] | None = None
        self._failure: KitOpsError | None = None
        self._attached: dict[str, list[Descriptor]] = {}
        self._kept = KeptManifests(self._endpoint, control, cache)
        self._manifests = self._kept
        self._parts = Parts(self._endpoint, self._kept, control)

    def tags(self) -> Iterator[str]:
        """Every tag, sorted, without the tags that only hold referrers, and our own."""
        return filter(is_listed, self.all_tags())

    def own_tags(self) -> Iterator[str]:
        """The tags of our own, sorted."""
        return filter(is_own_tag, self.all_tags())

    def subjects(self) -> Iterator[str]:
        """Digests of the manifests that something is attached to, as referrers' tags tell them; none with the API."""
        digests = dict.fromkeys(map(subject_of, self.all_tags()))
        return (digest for digest in digests if digest)

    def all_tags(self) -> tuple[str, ...]:
        """Every tag, listed once.

        Raises:
            NotFoundError: There is no such repository.
            IntegrityError: There are too many tags.
            DeniedError, RegistryError: The registry refused or failed.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._all is None:
                try:
                    self._all = tuple(list_tags(self._endpoint, self._control))
                except KitOpsError as error:  # asked again it would be waited for again
                    self._failure = error
                    raise
                self._parts.referrers.saw(self._all, float("inf"))
                self._kept.saw(self._all)
            return self._all

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, asked for once."""
        if digest not in self._attached:
            found = super().referrers(digest)
            self._kept.vouch(descriptor.digest for descriptor in found)
            self._attached[digest] = found
        return [one for one in self._attached[digest] if artifact_type in ("", one.artifact_type)]

    def open_blob(self, descriptor: Descriptor, control: Control) -> BlobReader:
        """Read a blob. A small one is asked for in one piece, and kept once its digest was seen to be right."""
        if descriptor.size > MAX_CONTENT_BYTES:
            return super().open_blob(descriptor, control)
        known = self._cache.content(descriptor.digest)
        data = known[1] if known else self._fetch_blob(descriptor, control)
        return BlobReader(io.BytesIO(data), descriptor, self.name)

    def _fetch_blob(self, descriptor: Descriptor, control: Control) -> bytes:
        url, doing = self._endpoint.url(f"blobs/{descriptor.digest}"), f"read a blob of {self.name}"
        answer = self._endpoint.call(PULL, "GET", url, doing, control, limit=MAX_CONTENT_BYTES)
        with BlobReader(io.BytesIO(answer.body), descriptor, self.name) as reader:
            data = reader.read_all(MAX_CONTENT_BYTES)
        self._cache.keep(descriptor.digest, descriptor.media_type, data)
        return data

    @property
    def known_tags(self) -> dict[str, str]:
        """The digests of the tags that were looked at."""
        return self._kept.resolved


class KeptManifests(ManifestApi):
    """The manifests of a repository: a tag that is what it was is only looked up, and a digest is fetched once.

    Attributes:
        resolved: The digests of the tags that were looked at.
    """

    def __init__(self, endpoint: Endpoint, control: Control, cache: Cache) -> None:
        super().__init__(endpoint, control)
        self._registry = ManifestApi(endpoint, control)
        self._cache = cache
        self._before = cache.tags(endpoint.name)
        self.resolved: dict[str, str] = {}
        self._listed: frozenset[str] | None = None
        self._there: set[str] = set()
        self._gone: set[str] = set()

    def saw(self, tags: Iterable[str]) -> None:
        """Take the list of all tags: what it does not name is not there, and what our tags keep is."""
        self._listed = frozenset(tags)
        self.vouch(digest for tag in self._listed if (digest := kept_digest(tag)))

    def vouch(self, digests: Iterable[str]) -> None:
        """Take it that these digests are there: the registry has just named them."""
        self._there.update(digests)

    def head(self, target: str) -> Descriptor:
        """The descriptor behind a tag or digest."""
        found = self.fetch(target)
        return Descriptor(found.media_type, found.digest, len(found.raw))

    def fetch(self, target: str) -> RawManifest:
        """The bytes behind a tag or digest.

        Raises:
            NotFoundError: There are none.
            IntegrityError: They have another digest than the one asked for or announced.
        """
        if is_digest(target):
            return self._fetch_digest(target)
        if target in self.resolved:
            return self._fetch_digest(self.resolved[target])
        if target in self._gone or (self._listed is not None and target not in self._listed):
            raise NotFoundError(f"{self.where(target)} does not exist")
        before = self._before.get(target, "")
        if before and self._cache.content(before) is not None:
            digest = self._registry.head(target).digest
            self._settle(target, digest)
            return self._fetch_digest(digest)
        found = self._get(target)
        self._settle(target, found.digest)
        return found

    def _settle(self, tag: str, digest: str) -> None:
        self.resolved[tag] = digest
        self.vouch([digest])

    def _fetch_digest(self, digest: str) -> RawManifest:
        if digest in self._gone:
            raise NotFoundError(f"{self.where(digest)} does not exist")
        known = self._cache.content(digest)
        if known is None:
            return self._get(digest)
        if digest not in self._there:  # we know what it is, and not whether the registry still has it
            try:
                self._registry.head(digest)
            except NotFoundError:
                self._gone.add(digest)
                raise
            self.vouch([digest])
        return RawManifest(known[1], digest, known[0])

    def _get(self, target: str) -> RawManifest:
        try:
            found = self._registry.fetch(target)
        except NotFoundError:
            self._gone.add(target)
            raise
        self._cache.keep(found.digest, found.media_type, found.raw)
        self.vouch([found.digest])
        return found

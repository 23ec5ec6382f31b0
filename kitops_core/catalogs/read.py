"""Reading repositories: tag lists, what each tag is, and of every version what it is made of and what hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.catalogs.cache import Cache, key_of
from kitops_core.catalogs.kits import Kit, Version, newest_first, version_of
from kitops_core.catalogs.snapshot import SnapshotRepository, SnapshotSession
from kitops_core.errors import CancelledError, DeniedError, IntegrityError, KitOpsError, NotFoundError
from kitops_core.events import Control
from kitops_core.lineages.build import lineage
from kitops_core.lineages.graph import Graph
from kitops_core.oci import media_types
from kitops_core.oci.kit_index import AnyManifest, KitIndex
from kitops_core.oci.own_tags import kept_digest
from kitops_core.parallel import run_all
from kitops_core.reference import Reference
from kitops_core.version import __version__

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey

_IMAGES = (media_types.IMAGE_CONFIG, "application/vnd.docker.container.image.v1+json")
_FORM = 1


@dataclass(frozen=True)
class _Failed:
    """Something that could not be read."""

    message: str
    denied: bool = False


class Reader:
    """Reads kits, several repositories and versions at a time.

    Args:
        session: The registries as they are now.
        cache: What is known from the build before.
        keys: The keys that evidence is checked with.
    """

    def __init__(self, session: SnapshotSession, cache: Cache, keys: Sequence[PublicKey]) -> None:
        self._session = session
        self._cache = cache
        self._keys = keys
        self._names = [(key.der.hex(), key.name) for key in keys]

    def read(self, references: Sequence[Reference]) -> list[Kit]:
        """The kits of repositories. What cannot be read is told by the kit's problems."""
        control = self._session.control
        listed = run_all([partial(self._list, reference) for reference in references], control)
        there = [(one, tags) for one, tags in zip(references, listed, strict=True) if not isinstance(tags, _Failed)]
        pairs = [(reference, tag) for reference, tags in there for tag in tags]
        digests = run_all([partial(self._resolve, *pair) for pair in pairs], control)
        tagged: dict[str, dict[str, str | _Failed]] = {reference.name: {} for reference in references}
        for (reference, tag), digest in zip(pairs, digests, strict=True):
            tagged[reference.name][tag] = digest
        wanted = [pair for reference, _ in there for pair in self._versions(reference, tagged[reference.name])]
        read = run_all([partial(self._version, *each) for each in wanted], control)
        of: dict[str, list[Version | _Failed | None]] = {reference.name: [] for reference in references}
        for (reference, _, tags), found in zip(wanted, read, strict=True):
            of[reference.name] += [found] if found is not None else [None] * len(tags)
        return [
            self._kit(reference, tags, tagged[reference.name], of[reference.name])
            for reference, tags in zip(references, listed, strict=True)
        ]

    def graph(self, version: Version) -> Graph:
        """The lineage of a version, one step deep, that was read before."""
        return Graph.from_dict(self._cache.fact(version.fact))

    def _list(self, reference: Reference, control: Control) -> list[str] | _Failed:
        control.check()
        try:
            return [*self._storage(reference).tags()]
        except NotFoundError:
            return []
        except KitOpsError as error:
            return _failed(error)

    def _resolve(self, reference: Reference, tag: str, control: Control) -> str | _Failed:
        control.check()
        try:
            return self._storage(reference).resolve(tag).digest
        except NotFoundError:  # it went while we looked
            return ""
        except KitOpsError as error:
            return _failed(error)

    def _versions(
        self, reference: Reference, tagged: dict[str, str | _Failed]
    ) -> list[tuple[Reference, str, tuple[str, ...]]]:
        """The digests that have a tag, or a tag of our own that keeps them, with their tags."""
        tags: dict[str, list[str]] = {}
        for tag, digest in tagged.items():
            if isinstance(digest, str) and digest:
                tags.setdefault(digest, []).append(tag)
        for tag in self._storage(reference).own_tags():
            if digest := kept_digest(tag):
                tags.setdefault(digest, [])
        return [(reference, digest, tuple(names)) for digest, names in tags.items()]

    def _version(
        self, reference: Reference, digest: str, tags: tuple[str, ...], control: Control
    ) -> Version | _Failed | None:
        """A version, or ``None`` where it is something else than a kit."""
        control.check()
        storage = self._storage(reference)
        manifest: AnyManifest | None = None
        try:
            manifest = storage.read(digest)
            if not _may_be_kit(manifest):
                return None
            attached = sorted(one.digest for one in storage.referrers(digest))
            key = key_of("version", _FORM, __version__, reference.name, digest, attached, self._names)
            data = self._cache.fact(key)
            if data is None:
                with self._cache.noting() as contents:
                    pinned = str(reference.with_digest(digest))
                    graph = lineage(self._session, pinned, depth=0, keys=self._keys, where="registry")
                data = graph.to_dict()
                self._cache.keep_fact(key, data, {*contents, digest})
            return version_of(Graph.from_dict(data), tags, key)
        except NotFoundError as error:
            return None if manifest is None else _failed(error)
        except IntegrityError as error:
            return _failed(error) if manifest is None or _says_kit(manifest) else None
        except CancelledError:
            raise
        except KitOpsError as error:
            return _failed(error)

    def _kit(
        self,
        reference: Reference,
        listed: list[str] | _Failed,
        tagged: dict[str, str | _Failed],
        found: Sequence[Version | _Failed | None],
    ) -> Kit:
        failures = [one for one in (listed, *tagged.values(), *found) if isinstance(one, _Failed)]
        if not isinstance(listed, _Failed):
            self._cache.keep_tags(reference.name, self._storage(reference).known_tags)
        return Kit(
            reference=reference,
            versions=newest_first([one for one in found if isinstance(one, Version)]),
            tags={tag: digest for tag, digest in tagged.items() if isinstance(digest, str) and digest},
            passed_over=sum(one is None for one in found),
            problems=tuple(dict.fromkeys(one.message for one in failures)),
            denied=any(one.denied for one in failures),
        )

    def _storage(self, reference: Reference) -> SnapshotRepository:
        return self._session.repository(reference.registry, reference.repository)


def _failed(error: KitOpsError) -> _Failed:
    if isinstance(error, CancelledError):
        raise error
    return _Failed(error.message, isinstance(error, DeniedError))


def _may_be_kit(manifest: AnyManifest) -> bool:
    """Whether it is worth a look: a plain image, or an index of something else, is none."""
    if isinstance(manifest, KitIndex):
        return manifest.is_modelkit_index
    return manifest.config.media_type not in _IMAGES


def _says_kit(manifest: AnyManifest) -> bool:
    """Whether it says that it is a kit, so that it is a broken one where it cannot be read."""
    if isinstance(manifest, KitIndex):
        return True
    return manifest.config.media_type == media_types.MODELKIT_CONFIG or manifest.artifact_type in (
        media_types.MODELKIT_ARTIFACT,
        media_types.MODELPACK_ARTIFACT,
    )

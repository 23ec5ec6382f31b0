"""One repository of the local store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.oci.own_tags import is_listed
from kitops_core.reference import check_tag, is_digest
from kitops_core.storage.local.base import DirectoryStorage
from kitops_core.storage.local.index import Entry, digests, new_entry
from kitops_core.storage.local.locks import FileLock
from kitops_core.storage.local.store import LocalStore


class LocalRepository(DirectoryStorage):
    """A repository of the local store; see :class:`~kitops_core.storage.local.store.LocalStore`.

    A manifest is known here when the repository's own index or one of its tags names it, as in the reference CLI.
    A referrer without a tag stands in the store's ``index.json`` only, out of the reference CLI's list of kits, and
    is known to every repository.

    From the first write until :meth:`close`, the collector waits for this repository.
    """

    def __init__(self, store: LocalStore, name: str) -> None:
        super().__init__(name, store.blobs(name))
        self._store = store
        self._mutex = threading.Lock()
        self._writing: FileLock | None = None

    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest.

        Raises:
            NotFoundError: There is none in this repository.
            StoreError: An index file is broken.
        """
        repository = self._store.files.read_repository(self._name)
        if is_digest(target):
            entry = repository.find(target) or self._untagged_referrer(target)
        else:
            entry = repository.tags.get(target)
        separator = "@" if is_digest(target) else ":"
        if entry is None:
            raise NotFoundError(f"{self._name}{separator}{target} is not in the local store")
        if not self._is_there(entry):
            raise NotFoundError(
                f"{self._name}{separator}{target} is named in the local store, but its manifest is gone",
                hint="pull or pack it again",
            )
        return Descriptor.from_dict(entry, self._name)

    def put_manifest(self, manifest: Manifest, tags: Sequence[str] = ()) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it. A manifest with a subject becomes a referrer.

        Raises:
            InvalidReferenceError: A tag does not follow the grammar.
            NotFoundError: A blob the manifest names is not here.
            StoreError: The store cannot be written, or an index file is broken.
        """
        for tag in tags:
            check_tag(tag)
        self._prepare_write(self._store.control)
        self._write_manifest_blob(manifest)
        entry = new_entry(manifest.descriptor)
        with self._store.changing():
            if manifest.subject is not None and not tags:
                self._store.add_to_index([entry])
            else:
                self._add(entry, tags)
        return manifest.descriptor

    def manifests(self) -> list[Descriptor]:
        """Every manifest of this repository, tagged or not, in the order they came.

        Raises:
            StoreError: An index file is broken.
        """
        entries = self._store.files.read_repository(self._name).entries()
        return [Descriptor.from_dict(entry, self._name) for entry in entries if self._is_there(entry)]

    def tags(self) -> Iterator[str]:
        """Every tag whose manifest is there, sorted, without the tags that only hold referrers.

        Raises:
            StoreError: An index file is broken.
        """
        tags = self._store.files.read_repository(self._name).tags
        return (tag for tag in sorted(tags) if is_listed(tag) and self._is_there(tags[tag]))

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Point a tag at a manifest of this repository.

        Raises:
            InvalidReferenceError: The tag does not follow the grammar.
            NotFoundError: The manifest is not in this repository.
            StoreError: The store cannot be written, or an index file is broken.
        """
        check_tag(tag)
        self.resolve(descriptor.digest)  # before the store is touched: a missing kit must not make one
        with self._store.changing():
            self._add(new_entry(self.resolve(descriptor.digest)), [tag])

    def swap_tag(
        self,
        manifest: Manifest,
        tag: str,
        expected: str,
        *,
        control: Control | None = None,
        writing: Callable[[], None] = lambda: None,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """Point ``tag`` at a manifest that is already here, only if it points at ``expected`` now; atomic.

        Raises:
            InvalidReferenceError: The tag does not follow the grammar.
            LostRaceError: The tag is elsewhere.
            NotFoundError: The manifest is not in this repository.
            StoreError: The store cannot be written, or an index file is broken.
        """
        check_tag(tag)
        self.resolve(manifest.digest)
        with self._store.changing():
            entry = self._store.files.read_repository(self._name).tags.get(tag)
            self._check_race(tag, expected, entry["digest"] if entry and self._is_there(entry) else "")
            writing()
            self._add(new_entry(self.resolve(manifest.digest)), [tag])
        written()

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest.

        Raises:
            NotFoundError: There is no such tag.
            StoreError: The store cannot be written, or an index file is broken.
        """
        self._tags_with(tag)
        with self._store.changing():
            tags = self._tags_with(tag)
            del tags[tag]
            self._store.files.write_tags(self._name, tags)

    def delete(self, digest: str) -> None:
        """Remove a manifest and every tag that points at it; its blobs go with the next ``gc``.

        Raises:
            NotFoundError: There is no such manifest in this repository.
            StoreError: The store cannot be written, or an index file is broken.
        """
        self.resolve(digest)
        with self._store.changing():
            tags = self._store.files.read_repository(self._name).tags
            kept = {tag: entry for tag, entry in tags.items() if entry["digest"] != digest}
            self._store.note_pending(self._name, digest)
            if len(kept) < len(tags):
                self._store.files.write_tags(self._name, kept)
            self._store.drop_manifest(self._name, digest)

    def close(self) -> None:
        """Let the collector go ahead. The repository can still be used afterwards."""
        with self._mutex:
            if self._writing is not None:
                self._writing.release()
                self._writing = None

    def _prepare_write(self, control: Control) -> None:
        with self._mutex:
            if self._writing is None:
                self._store.prepare()
                self._writing = self._store.writers(shared=True, control=control)

    def _index(self) -> list[Entry]:
        return self._store.files.read_index()

    def _add(self, entry: Entry, tags: Sequence[str]) -> None:
        """List a manifest and point tags at it, in an order that leaves no tag dangling at any point.

        What the reference CLI dropped of this repository's other manifests is listed again on the way.
        """
        files = self._store.files
        repository = files.read_repository(self._name)
        listed = digests(repository.manifests)
        missing = [e for e in repository.entries() if e["digest"] not in listed and self._is_there(e)]
        if entry["digest"] not in listed | digests(missing):
            missing.append(entry)
        if entry["digest"] not in listed:
            was_listed = entry["digest"] in digests(files.read_index())  # an untagged referrer, or another repository's
            self._store.note_pending(self._name, entry["digest"], was_listed=was_listed)
        self._store.add_to_index([e for e in (*repository.manifests, *missing) if self._is_there(e)])
        if missing:
            files.write_manifests(self._name, [*repository.manifests, *missing])
        moved = {tag: entry for tag in tags if repository.tags.get(tag, {}).get("digest") != entry["digest"]}
        if moved:
            files.write_tags(self._name, {**repository.tags, **moved})

    def _tags_with(self, tag: str) -> dict[str, Entry]:
        tags = self._store.files.read_repository(self._name).tags
        if tag not in tags:
            raise NotFoundError(f"{self._name}:{tag} is not in the local store")
        return tags

    def _untagged_referrer(self, digest: str) -> Entry | None:
        entries = [entry for entry in self._index() if entry["digest"] == digest]
        is_referrer = any(manifest.subject is not None for manifest in self._image_manifests(entries))
        return entries[0] if is_referrer else None

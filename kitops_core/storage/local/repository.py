"""One repository of the local store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.oci.kit_index import AnyManifest, KitIndex
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import IMAGE_INDEX
from kitops_core.oci.own_tags import is_listed
from kitops_core.reference import check_tag, is_digest
from kitops_core.storage.local.base import DirectoryStorage
from kitops_core.storage.local.index import Entry, IndexFiles, digests, new_entry
from kitops_core.storage.local.locks import FileLock
from kitops_core.storage.local.store import LocalStore


class LocalRepository(DirectoryStorage):
    """A repository of the local store; see :class:`~kitops_core.storage.local.store.LocalStore`.

    A manifest is known here when the repository's own index or one of its tags names it, as in the reference CLI.
    A referrer without a tag stands in the store's ``index.json`` only, out of the reference CLI's list of kits, and
    is known to every repository.

    Kits and indexes have tags of their own, as in the reference CLI: one name can be both. A tag means the kit, where
    there is one, unless the index is asked for.

    From the first write until :meth:`close`, the collector waits for this repository.

    Args:
        store: The store.
        name: ``registry/repository``.
        indexes: Whether to know indexes only.
    """

    def __init__(self, store: LocalStore, name: str, *, indexes: bool = False) -> None:
        super().__init__(name, store.blobs(name), store.control)
        self._store = store
        self._spaces = (store.index_files,) if indexes else (store.files, store.index_files)
        self._mutex = threading.Lock()
        self._writing: FileLock | None = None

    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest.

        Raises:
            NotFoundError: There is none in this repository.
            StoreError: An index file is broken.
        """
        return self._resolve(target, self._spaces)

    def read(self, target: str, *, index_first: bool = False) -> AnyManifest:
        """The kit or index behind a tag or digest, its bytes checked.

        Args:
            target: The tag or digest.
            index_first: Where both have the tag, the index.

        Raises:
            NotFoundError: There is none in this repository.
            IntegrityError: The bytes have another digest, or are neither.
            StoreError: An index file is broken.
        """
        return self._read_any(self._resolve(target, self._spaces[::-1] if index_first else self._spaces))

    def _resolve(self, target: str, spaces: Sequence[IndexFiles]) -> Descriptor:
        entry = None
        for files in spaces:
            repository = files.read_repository(self._name)
            entry = entry or (repository.find(target) if is_digest(target) else repository.tags.get(target))
        if entry is None and is_digest(target):
            entry = self._untagged_referrer(target) or self._of_an_index(target)
        separator = "@" if is_digest(target) else ":"
        if entry is None:
            raise NotFoundError(f"{self._name}{separator}{target} is not in the local store")
        if not self._is_there(entry):
            raise NotFoundError(
                f"{self._name}{separator}{target} is named in the local store, but its manifest is gone",
                hint="pull or pack it again",
            )
        return Descriptor.from_dict(entry, self._name)

    def put_manifest(self, manifest: AnyManifest, tags: Sequence[str] = (), *, kept: bool = False) -> Descriptor:
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
        """Every kit of this repository, tagged or not, in the order they came; with ``indexes`` every index.

        Raises:
            StoreError: An index file is broken.
        """
        entries = self._spaces[0].read_repository(self._name).entries()
        return [Descriptor.from_dict(entry, self._name) for entry in entries if self._is_there(entry)]

    def tags(self) -> Iterator[str]:
        """Every tag whose manifest is there, sorted, without the tags that only hold referrers.

        Raises:
            StoreError: An index file is broken.
        """
        tags: dict[str, Entry] = {}
        for files in self._spaces:
            tags = {**files.read_repository(self._name).tags, **tags}
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
        manifest: AnyManifest,
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
            before = {
                files: entry
                for files in self._spaces
                if (entry := files.read_repository(self._name).tags.get(tag)) and self._is_there(entry)
            }
            self._check_race(tag, expected, next((entry["digest"] for entry in before.values()), ""))
            writing()
            self._add(new_entry(self.resolve(manifest.digest)), [tag])
            for files in before:
                if files is not self._store.files_of(manifest.media_type):  # a tag that moves names one thing
                    self._take_tags(files, lambda name, _: name == tag)
        written()

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest.

        Raises:
            NotFoundError: There is no such tag.
            StoreError: The store cannot be written, or an index file is broken.
        """
        self._files_with(tag)
        with self._store.changing():
            self._take_tags(self._files_with(tag), lambda name, _: name == tag)

    def delete(self, digest: str) -> None:
        """Remove a manifest and every tag that points at it; its blobs go with the next ``gc``.

        Raises:
            NotFoundError: There is no such manifest in this repository.
            StoreError: The store cannot be written, or an index file is broken.
        """
        self.resolve(digest)
        with self._store.changing():
            self._store.note_pending(self._name, digest)
            for files in self._spaces:
                self._take_tags(files, lambda _, entry: entry["digest"] == digest)
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
        files = self._store.files_of(entry["mediaType"])
        repository = files.read_repository(self._name)
        listed = digests(repository.manifests)
        missing = [e for e in repository.entries() if e["digest"] not in listed and self._is_there(e)]
        if entry["digest"] not in listed | digests(missing):
            missing.append(entry)
        if entry["digest"] not in listed:
            was_listed = entry["digest"] in digests(self._index())  # an untagged referrer, or another repository's
            self._store.note_pending(self._name, entry["digest"], was_listed=was_listed)
        self._store.add_to_index([e for e in (*repository.manifests, *missing) if self._is_there(e)])
        if missing:
            files.write_manifests(self._name, [*repository.manifests, *missing])
        moved = {tag: entry for tag in tags if repository.tags.get(tag, {}).get("digest") != entry["digest"]}
        if moved:
            files.write_tags(self._name, {**repository.tags, **moved})

    def _files_with(self, tag: str) -> IndexFiles:
        for files in self._spaces:
            if tag in files.read_repository(self._name).tags:
                return files
        raise NotFoundError(f"{self._name}:{tag} is not in the local store")

    def _take_tags(self, files: IndexFiles, going: Callable[[str, Entry], bool]) -> None:
        tags = files.read_repository(self._name).tags
        kept = {tag: entry for tag, entry in tags.items() if not going(tag, entry)}
        if len(kept) < len(tags):
            files.write_tags(self._name, kept)

    def _of_an_index(self, digest: str) -> Entry | None:
        """A kit that an index of this repository names: it stays for the index when its own tags are removed."""
        for entry in self._store.index_files.read_repository(self._name).entries():
            if not self._is_there(entry) or entry["mediaType"] != IMAGE_INDEX:
                continue
            index = self._read_any(Descriptor.from_dict(entry, self._name))
            named = index.find(digest) if isinstance(index, KitIndex) else None
            if named is not None and self._blobs.size(digest) is not None:
                return new_entry(named.descriptor)
        return None

    def _untagged_referrer(self, digest: str) -> Entry | None:
        entries = [entry for entry in self._index() if entry["digest"] == digest]
        is_referrer = any(manifest.subject is not None for manifest in self._image_manifests(entries))
        return entries[0] if is_referrer else None

"""The local store: its directory, its locks, and the way every change to its index files is made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.events import Control
from kitops_core.oci.media_types import IMAGE_INDEX
from kitops_core.reference import is_digest
from kitops_core.storage.local.blobs import BlobDirectory
from kitops_core.storage.local.files import (
    make_directory,
    remove_file,
    replace_file,
    store_errors,
    sync_directory,
)
from kitops_core.storage.local.home import store_home
from kitops_core.storage.local.index import ANNOTATION_REF_NAME, Entry, IndexFiles, digests
from kitops_core.storage.local.layout_file import ensure_layout_file
from kitops_core.storage.local.locks import FileLock

if TYPE_CHECKING:
    from kitops_core.storage.local.layer_cache import LayerCache


class LocalStore:
    """The kits on this machine, shared with the reference CLI. Nothing is made on disk before the first write.

    Args:
        home: The store's home; ``None`` for the default one (:func:`~kitops_core.storage.local.home.store_home`).
        fsync: Whether what is written is flushed to the disk, so that it survives a power cut. A killed process
            loses nothing either way.
        control: What ends waiting for another process that changes the store, for what takes no control of its own.
    """

    def __init__(self, home: Path | None = None, *, fsync: bool = True, control: Control | None = None) -> None:
        self.home = (home or store_home()).absolute()
        self.root = self.home / "storage"
        self.own = self.root / ".kitops-core"
        self.scratch = self.own / "ingest"  # not storage/ingest: the reference CLI empties that after every pull
        self.fsync = fsync
        self.control = control or Control()
        self.files = IndexFiles(self.root, self.scratch, fsync=fsync)
        self.index_files = IndexFiles(self.root / "indexes", self.scratch, fsync=fsync)

    def repositories(self) -> list[str]:
        """Names (``registry/repository``) of all repositories that have kits or indexes, sorted.

        Raises:
            StoreError: The store cannot be read.
        """
        return sorted({*self.files.repositories(), *self.index_files.repositories()})

    def files_of(self, media_type: str) -> IndexFiles:
        """The files that list manifests of a media type: indexes have a name space of their own, as in kit 1.17."""
        return self.index_files if media_type == IMAGE_INDEX else self.files

    def layer_cache(self) -> LayerCache:
        """What is known of layers packed before, so that unchanged files are not read again."""
        from kitops_core.storage.local.layer_cache import LayerCache

        return LayerCache(self.home / "cache" / "layers")

    def blobs(self, name: str) -> BlobDirectory:
        """The blobs of the store, for the repository that messages shall name."""
        return BlobDirectory(self.root, self.scratch, f"{name} in the local store", fsync=self.fsync)

    def prepare(self) -> None:
        """Make the directories and the ``oci-layout`` file, where missing.

        Raises:
            StoreError: They cannot be made, or the directory is of a layout version we do not know.
        """
        make_directory(self.scratch)
        ensure_layout_file(self.root, self.scratch)

    def writers(self, *, shared: bool, control: Control, patience: float | None = None) -> FileLock:
        """The lock that writers of blobs hold shared, and the collector holds alone.

        Writers that follow each other would keep the collector out for ever. So who wants the lock takes a turn first,
        which the collector keeps while it waits: only writers that are at work already go on.
        """
        started = time.monotonic()
        with FileLock(self.own / "turn", shared=shared, control=control, patience=patience):
            left = None if patience is None else max(patience - (time.monotonic() - started), 0.0)
            return FileLock(self.own / "writers", shared=shared, control=control, patience=left)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the index files; first drop what a process that died here had not finished.

        Raises:
            StoreError: The store cannot be written.
        """
        self.prepare()
        with FileLock(self.own / "lock", control=self.control):
            self._recover()
            yield
            remove_file(self._pending)
            if self.fsync:
                sync_directory(self.root)
                if self.index_files.root.is_dir():
                    sync_directory(self.index_files.root)

    @property
    def _pending(self) -> Path:
        return self.own / "pending.json"

    def note_pending(self, name: str, digest: str, *, was_listed: bool = False) -> None:
        """Note, while changing, that a manifest of a repository is half-way in or out, until the change ends.

        Needs no flush: it is for a process that dies, and what a dead process wrote is still there.

        Args:
            name: The repository.
            digest: The manifest.
            was_listed: Whether ``index.json`` had it before and shall keep it, should the change not end.
        """
        note = json.dumps({"repository": name, "digest": digest, "wasListed": was_listed})
        replace_file(self._pending, note.encode(), self.scratch, fsync=False)

    def add_to_index(self, entries: list[Entry]) -> None:
        """Put manifests into ``index.json``, where missing, while changing."""
        index = self.files.read_index()
        have = digests(index)
        missing = [entry for entry in entries if entry["digest"] not in have]
        if missing:
            self.files.write_index([*index, *missing])

    def drop_manifest(self, name: str, digest: str, *, from_index: bool = True) -> None:
        """Take a manifest that has no tag out of a repository, while changing.

        With ``from_index``, also out of ``index.json``, unless another repository has it.
        """
        for files in (self.files, self.index_files):
            listed = files.read_repository(name).manifests
            if digest in digests(listed):
                files.write_manifests(name, [e for e in listed if e["digest"] != digest])
        if not from_index or any(
            files.read_repository(other).find(digest)
            for files in (self.files, self.index_files)
            for other in files.repositories()
        ):
            return
        index = self.files.read_index()
        kept = [e for e in index if e["digest"] != digest or ANNOTATION_REF_NAME in (e.get("annotations") or {})]
        if len(kept) < len(index):
            self.files.write_index(kept)

    def _recover(self) -> None:
        with store_errors("read", self._pending):
            try:
                data = self._pending.read_bytes()
            except FileNotFoundError:
                return
        try:
            note = json.loads(data)
            name, digest, was_listed = note["repository"], note["digest"], note["wasListed"]
        except (ValueError, KeyError, TypeError):
            return  # an unflushed note that a power cut emptied: the change it was for is lost as a whole or done
        tagged = digests(self.files.read_repository(name).tags.values())
        tagged |= digests(self.index_files.read_repository(name).tags.values())
        if is_digest(digest) and digest not in tagged:
            self.drop_manifest(name, digest, from_index=not was_listed)
        remove_file(self._pending)

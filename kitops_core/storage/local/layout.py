"""A plain OCI image layout as a storage: one directory, one repository (OCI image spec, image layout)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kitops_core.errors import NotFoundError, StoreError
from kitops_core.events import Control
from kitops_core.oci.kit_index import AnyManifest
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.own_tags import is_listed
from kitops_core.reference import check_tag, is_digest
from kitops_core.storage.local.base import DirectoryStorage
from kitops_core.storage.local.blobs import BlobDirectory
from kitops_core.storage.local.files import make_directory, store_errors, sync_directory
from kitops_core.storage.local.index import ANNOTATION_REF_NAME, Entry, IndexFiles, digests
from kitops_core.storage.local.layout_file import LAYOUT_FILE, check_layout_file, ensure_layout_file
from kitops_core.storage.local.locks import FileLock


class LayoutRepository(DirectoryStorage):
    """A directory that ``skopeo``, ``oras`` and ``crane`` read and write too: ``oci:PATH``.

    ``index.json`` lists every manifest; the annotation ``org.opencontainers.image.ref.name`` of an entry is its tag.
    Writers lock the ``oci-layout`` file, so nothing is left in the directory that is not part of the layout.

    Args:
        path: The directory.
        create: Whether the first write may make the layout. Reading never does.
        fsync: Whether what is written is flushed to the disk.
        control: What ends waiting for another process that changes the layout.
    """

    def __init__(self, path: Path, create: bool = False, *, fsync: bool = True, control: Control | None = None) -> None:
        name = f"oci:{path}"
        scratch = path / "ingest"
        super().__init__(name, BlobDirectory(path, scratch, name, fsync=fsync), control or Control())
        self._path = path
        self._create = create
        self._fsync = fsync
        self._scratch = scratch
        self._files = IndexFiles(path, scratch, fsync=fsync)

    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest.

        Raises:
            NotFoundError: There is none, or no layout.
            StoreError: The layout is broken or of an unknown version.
        """
        entries = self._index()
        for entry in entries:
            if target in ((entry["digest"],) if is_digest(target) else (_tag_of(entry),)):
                return Descriptor.from_dict(_without_tag(entry), self._name)
        separator = "@" if is_digest(target) else ":"
        tags = sorted(filter(None, map(_tag_of, entries)))
        raise NotFoundError(
            f"{self._name}{separator}{target} is not there",
            hint=f"its tags are {', '.join(tags[:8])}{' ...' if len(tags) > 8 else ''}" if tags else "",
        )

    def put_manifest(self, manifest: AnyManifest, tags: Sequence[str] = (), *, kept: bool = False) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it. A manifest with a subject becomes a referrer.

        Raises:
            InvalidReferenceError: A tag does not follow the grammar.
            NotFoundError: A blob the manifest names is not here.
            StoreError: The directory cannot be written, or is broken.
        """
        for tag in tags:
            check_tag(tag)
        self._prepare_write(self.control)
        self._write_manifest_blob(manifest)
        with self._changing() as entries:
            _point(entries, manifest.descriptor.to_dict(), tags)
        return manifest.descriptor

    def tags(self) -> Iterator[str]:
        """Every tag, sorted, without the tags that only hold referrers.

        Raises:
            NotFoundError: There is no layout.
            StoreError: The layout is broken or of an unknown version.
        """
        tags = {tag for entry in self._index() if (tag := _tag_of(entry)) and is_listed(tag)}
        return iter(sorted(tags))

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Point a tag at a manifest that is listed here.

        Raises:
            InvalidReferenceError: The tag does not follow the grammar.
            NotFoundError: The manifest is not listed here, or there is no layout.
            StoreError: The directory cannot be written, or is broken.
        """
        check_tag(tag)
        self.resolve(descriptor.digest)
        with self._changing() as entries:
            _point(entries, self.resolve(descriptor.digest).to_dict(), [tag])

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
            NotFoundError: The manifest is not listed here, or there is no layout.
            StoreError: The directory cannot be written, or is broken.
        """
        check_tag(tag)
        self.resolve(manifest.digest)
        with self._changing() as entries:
            found = next((entry["digest"] for entry in entries if _tag_of(entry) == tag), "")
            self._check_race(tag, expected, found)
            writing()
            _point(entries, self.resolve(manifest.digest).to_dict(), [tag])
        written()

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest listed.

        Raises:
            NotFoundError: There is no such tag, or no layout.
            StoreError: The directory cannot be written, or is broken.
        """
        self.resolve(tag)
        with self._changing() as entries:
            self.resolve(tag)
            _take_tag(entries, tag)

    def delete(self, digest: str) -> None:
        """Take a manifest and every tag that points at it out of ``index.json``; its blobs stay.

        Raises:
            NotFoundError: There is no such manifest, or no layout.
            StoreError: The directory cannot be written, or is broken.
        """
        self.resolve(digest)
        with self._changing() as entries:
            entries[:] = [entry for entry in entries if entry["digest"] != digest]

    def close(self) -> None:
        """Remove the directory blobs are written in first, unless another process is writing."""
        with suppress(OSError):
            self._scratch.rmdir()

    def _index(self) -> list[Entry]:
        if not check_layout_file(self._path):
            raise NotFoundError(
                f"there is no OCI image layout at {self._path}", hint="name a directory that has a file 'oci-layout'"
            )
        return self._files.read_index()

    def _prepare_write(self, control: Control) -> None:
        control.check()
        if check_layout_file(self._path):
            return
        if not self._create:
            raise NotFoundError(f"there is no OCI image layout at {self._path}")
        with store_errors("list", self._path):
            try:
                strange = next((p.name for p in self._path.iterdir() if p != self._scratch), "")
            except FileNotFoundError:
                strange = ""
        if strange and not check_layout_file(self._path):  # another process may just have made it
            raise StoreError(
                f"{self._path} is not an OCI image layout and not empty: it has '{strange}'",
                hint="name an empty or a new directory",
            )
        make_directory(self._path)
        ensure_layout_file(self._path, self._scratch)
        with self._changing():
            pass  # a layout without index.json is not one

    @contextmanager
    def _changing(self) -> Iterator[list[Entry]]:
        """The entries of ``index.json``, to be changed in place; written back at the end."""
        with FileLock(self._path / LAYOUT_FILE, control=self.control):
            entries = self._files.read_index()
            yield entries
            self._files.write_index(entries)
            if self._fsync:
                sync_directory(self._path)


def _tag_of(entry: Entry) -> str:
    return str((entry.get("annotations") or {}).get(ANNOTATION_REF_NAME, ""))


def _without_tag(entry: Entry) -> Entry:
    annotations = {k: v for k, v in (entry.get("annotations") or {}).items() if k != ANNOTATION_REF_NAME}
    bare: dict[str, Any] = {key: value for key, value in entry.items() if key != "annotations"}
    return {**bare, "annotations": annotations} if annotations else bare


def _point(entries: list[Entry], entry: Entry, tags: Sequence[str]) -> None:
    """Point tags at a manifest: an entry each, or one without a tag where it has none."""
    for tag in tags:
        _take_tag(entries, tag)
        entries.append({**entry, "annotations": {**entry.get("annotations", {}), ANNOTATION_REF_NAME: tag}})
    tagged = {e["digest"] for e in entries if _tag_of(e)}
    entries[:] = [e for e in entries if _tag_of(e) or e["digest"] not in tagged]
    if entry["digest"] not in digests(entries):
        entries.append(entry)


def _take_tag(entries: list[Entry], tag: str) -> None:
    """Take a tag away; a manifest that loses its last tag stays listed without one."""
    for position, entry in enumerate(entries):
        if _tag_of(entry) == tag:
            entries[position] = _without_tag(entry)
    named = {e["digest"] for e in entries if _tag_of(e)}
    seen: set[str] = set()
    kept = []
    for entry in entries:
        if _tag_of(entry) or entry["digest"] not in named | seen:
            kept.append(entry)
            seen.add(entry["digest"])
    entries[:] = kept

"""The JSON files of a store or layout: read with patience, checked, and replaced atomically.

The shapes are those of the OCI image layout (``index.json``) and of the reference CLI's store (beside it, two files
a repository). Entries are kept as the JSON objects they are, so that fields unknown to us survive a rewrite.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_core.errors import IntegrityError, StoreError
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.local.files import make_directory, remove_file, replace_file, store_errors

ANNOTATION_REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that makes an entry of ``index.json`` a tag (OCI image spec, image layout)."""

_INDEX_SUFFIX = "-index.json"
_TAGS_SUFFIX = "-tags.json"
_READ_ATTEMPTS = 5
_READ_PAUSE_SECONDS = 0.02

Entry = dict[str, Any]
"""A descriptor as it stands in an index file."""


def new_entry(descriptor: Descriptor) -> Entry:
    """The entry the reference CLI would write for a manifest: media type, digest and size."""
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def digests(entries: Iterable[Entry]) -> set[str]:
    """The digests of some entries."""
    return {entry["digest"] for entry in entries}


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or ``None`` where there is no file.

    The reference CLI rewrites its files in place, so half of one may be seen; it is read again a few times.

    Raises:
        StoreError: It cannot be read, or is not a JSON object.
    """
    for attempt in range(_READ_ATTEMPTS):
        if attempt:
            time.sleep(_READ_PAUSE_SECONDS)
        with store_errors("read", path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            reason = str(error) if data else "it is empty"
            continue
        if isinstance(value, dict):
            return value
        reason = "it is not a JSON object"
        break
    raise StoreError(
        f"{path} is broken: {reason}", hint="restore it from a backup, or remove it and pack or pull again"
    )


def checked_entries(entries: Any, path: Path) -> list[Entry]:
    """A list of descriptors from an index file.

    Raises:
        StoreError: One of them is not a descriptor; the message names the file.
    """
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise StoreError(f"{path} is broken: manifests must be a list", hint="restore it from a backup")
    for number, entry in enumerate(entries):
        try:
            Descriptor.from_dict(entry, f"manifest {number}")
        except IntegrityError as error:
            raise StoreError(f"{path} is broken: {error}", hint="restore it from a backup") from None
    return entries


@dataclass(frozen=True)
class RepositoryIndex:
    """What a repository's two files say.

    Attributes:
        manifests: Every manifest of the repository, tagged or not, in the order they came.
        tags: The entry of each tag.
    """

    manifests: list[Entry]
    tags: dict[str, Entry]

    def find(self, digest: str) -> Entry | None:
        """The entry of a manifest, or ``None`` where the repository has none of that digest."""
        for entry in (*self.manifests, *self.tags.values()):
            if entry["digest"] == digest:
                return entry
        return None

    def entries(self) -> list[Entry]:
        """The manifests, and those that only a tag names, each digest once."""
        merged: dict[str, Entry] = {}
        for entry in (*self.manifests, *self.tags.values()):
            merged.setdefault(entry["digest"], entry)
        return list(merged.values())


class IndexFiles:
    """The index files of one store directory.

    Args:
        root: The directory.
        scratch: Where a file is written before it takes its name; on the same file system.
        fsync: Whether files are flushed to the disk before they take their name.
    """

    def __init__(self, root: Path, scratch: Path, *, fsync: bool) -> None:
        self.root = root
        self._scratch = scratch
        self._fsync = fsync

    @property
    def index_path(self) -> Path:
        """``index.json``, which lists every manifest."""
        return self.root / "index.json"

    def manifests_path(self, name: str) -> Path:
        """The file with the manifests of the repository ``name`` (``registry/repository``)."""
        return self.root / (_encode(name) + _INDEX_SUFFIX)

    def tags_path(self, name: str) -> Path:
        """The file with the tags of the repository ``name``."""
        return self.root / (_encode(name) + _TAGS_SUFFIX)

    def repositories(self) -> list[str]:
        """Names of the repositories that have manifests, sorted.

        Raises:
            StoreError: The directory cannot be read.
        """
        with store_errors("list", self.root):
            try:
                files = [path.name for path in self.root.iterdir()]
            except FileNotFoundError:
                return []
        encoded = (name.removesuffix(_INDEX_SUFFIX) for name in files if name.endswith(_INDEX_SUFFIX))
        return sorted(name for part in encoded if (name := _decode(part)))

    def read_index(self) -> list[Entry]:
        """The entries of ``index.json``; none where there is no such file.

        Raises:
            StoreError: It is broken.
        """
        data = read_object(self.index_path) or {}
        return checked_entries(data.get("manifests"), self.index_path)

    def write_index(self, entries: Iterable[Entry]) -> None:
        """Replace the entries of ``index.json``, keeping its other fields."""
        kept = read_object(self.index_path) or {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX}
        self._write(self.index_path, {**kept, "manifests": list(entries)})

    def read_repository(self, name: str) -> RepositoryIndex:
        """The manifests and tags of a repository; empty where it has no files.

        The tags are read first: a writer adds manifests before their tags.

        Raises:
            StoreError: One of the files is broken.
        """
        path = self.tags_path(name)
        tags = read_object(path) or {}
        checked_entries(list(tags.values()), path)
        path = self.manifests_path(name)
        data = read_object(path) or {}
        return RepositoryIndex(checked_entries(data.get("manifests"), path), tags)

    def write_manifests(self, name: str, entries: list[Entry]) -> None:
        """Replace a repository's manifests; the file goes with the last of them, as in the reference CLI."""
        path = self.manifests_path(name)
        if not entries:
            remove_file(path)
            return
        kept = read_object(path) or {"schemaVersion": 2}
        self._write(path, {**kept, "manifests": entries})

    def write_tags(self, name: str, tags: dict[str, Entry]) -> None:
        """Replace a repository's tags; the file goes with the last of them, as in the reference CLI."""
        path = self.tags_path(name)
        if tags:
            self._write(path, dict(sorted(tags.items())))
        else:
            remove_file(path)

    def _write(self, path: Path, data: dict[str, Any]) -> None:
        if not path.parent.is_dir():
            make_directory(path.parent)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        replace_file(path, text.encode(), self._scratch, fsync=self._fsync)


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _decode(encoded: str) -> str:
    """The repository's name, or an empty string for a file that only happens to end like one."""
    try:
        name = base64.b64decode(encoded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return name if _encode(name) == encoded else ""

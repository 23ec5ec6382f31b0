"""What is known of layers packed before: their digest by their files' fingerprint, so that they are not read again.

A cache may lose everything and must never be wrong: a broken or unwritable one behaves like an empty one.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kitops_core.errors import IntegrityError, StoreError
from kitops_core.oci.manifest import Descriptor
from kitops_core.reference import is_digest
from kitops_core.storage.local.files import replace_file

MAX_ENTRIES = 2048
"""How many layers are remembered; each is a file of a few hundred bytes."""

_LOOK_EVERY = 64
"""After how many new entries it is looked whether there are too many, beside the first one."""
_MAX_REPOSITORIES = 8
_SECOND = 1_000_000_000
_SETTLED_NS = 20_000_000
_SETTLED_COARSE_NS = 2 * _SECOND


@dataclass(frozen=True)
class CachedLayer:
    """A layer that was packed before.

    Attributes:
        digest: Digest of the bytes as stored.
        size: Bytes as stored.
        diff_id: Digest of the uncompressed bytes.
        media_type: The layer's media type.
        repositories: Names of the repositories it was written to, the last one first.
    """

    digest: str
    size: int
    diff_id: str
    media_type: str
    repositories: list[str]


class LayerCache:
    """Layers by a key of the caller's: the files' fingerprint, and everything else that decides the layer's bytes.

    Args:
        directory: Where the entries are kept; made with the first one.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._added = 0

    def get(self, key: str) -> CachedLayer | None:
        """The layer of ``key``, or ``None``. Never raises for a broken cache."""
        path = self._path(key)
        try:
            data = json.loads(path.read_bytes())
            layer = CachedLayer(
                digest=data["digest"],
                size=data["size"],
                diff_id=data["diffId"],
                media_type=data["mediaType"],
                repositories=[str(name) for name in data["repositories"]],
            )
            Descriptor.from_dict(data, str(path))
            if data["key"] != key or not is_digest(layer.diff_id):
                return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, IntegrityError):
            return None
        with suppress(OSError):
            os.utime(path)  # the oldest go first when there are too many
        return layer

    def put(
        self, key: str, descriptor: Descriptor, diff_id: str, repository: str, *, newest_ns: int, started_ns: int
    ) -> None:
        """Remember a layer, unless its files are so young that they may have changed unseen. Never raises.

        A file written twice within one tick of its file system's clock keeps its timestamp, so a change must have
        been over for a while when the reading began.

        Args:
            key: What the layer will be looked up by.
            descriptor: Its media type, digest and size.
            diff_id: Digest of its uncompressed bytes.
            repository: The name of the repository it was written to.
            newest_ns: The newest change time of its files, in nanoseconds since 1970.
            started_ns: When reading them began, in nanoseconds since 1970.
        """
        if is_racy(newest_ns, started_ns):
            return
        known = self.get(key)
        before = known.repositories if known is not None and known.digest == descriptor.digest else []
        repositories = [repository, *(name for name in before if name != repository)][:_MAX_REPOSITORIES]
        layer = CachedLayer(descriptor.digest, descriptor.size, diff_id, descriptor.media_type, repositories)
        if layer == known:
            return
        entry = {
            "key": key,
            "mediaType": layer.media_type,
            "digest": layer.digest,
            "size": layer.size,
            "diffId": layer.diff_id,
            "repositories": layer.repositories,
        }
        text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
        with suppress(StoreError, OSError):
            replace_file(self._path(key), text.encode(), self._directory, fsync=False)
            if known is None:
                self._added += 1
                if self._added % _LOOK_EVERY == 1:  # listing the directory takes longer than adding to it
                    self._make_room()

    def entries(self) -> tuple[int, int]:
        """How many layers are remembered, and the bytes that this takes."""
        count = size = 0
        with suppress(FileNotFoundError), os.scandir(self._directory) as found:
            for entry in found:
                with suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
                    count += 1
        return count, size

    def clear(self) -> tuple[int, int]:
        """Forget every layer; gives what :meth:`entries` gave before.

        Raises:
            OSError: One cannot be removed.
        """
        known = self.entries()
        for name in os.listdir(self._directory) if known[0] else ():
            with suppress(FileNotFoundError):  # another process made room
                os.unlink(self._directory / name)
        return known

    def _path(self, key: str) -> Path:
        return self._directory / (hashlib.sha256(key.encode()).hexdigest()[:40] + ".json")

    def _make_room(self) -> None:
        """Remove the oldest entries when there are too many, an eighth at once so that this is rarely needed."""
        names = os.listdir(self._directory)
        if len(names) <= MAX_ENTRIES:
            return
        ages = []
        for name in names:
            with suppress(OSError):
                ages.append((os.stat(self._directory / name).st_mtime_ns, name))
        for _, name in sorted(ages)[: len(names) - MAX_ENTRIES + MAX_ENTRIES // 8]:
            with suppress(OSError):
                os.unlink(self._directory / name)


def is_racy(newest_ns: int, started_ns: int) -> bool:
    """Whether files changed so shortly before reading began that a later change could carry the same timestamp.

    A time without a fraction of a second is taken to come from a file system that keeps whole seconds only.
    """
    settled = _SETTLED_NS if newest_ns % _SECOND else _SETTLED_COARSE_NS
    return newest_ns + settled >= started_ns

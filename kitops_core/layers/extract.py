"""Layers to files, in one pass: read, hash, parse, write. What is unsafe is refused, not skipped.

Everything is written below a staging directory (:mod:`kitops_core.layers.staging`) and only moved to its place once
the layers' digests have proved right: an error half way leaves files there, for the staging directory to remove.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from kitops_core.errors import UnsafeLayerError
from kitops_core.events import Control, Event
from kitops_core.layers.tar_fields import show_name
from kitops_core.layers.tar_reader import READ_BYTES, Readable, TarReader, read_tar_member
from kitops_core.layers.tree import Tree
from kitops_core.oci.media_types import Compression

__all__ = ["Extracted", "Limits", "extract_raw", "extract_tar", "read_tar_member"]

MAX_ENTRIES = 10_000_000
MAX_RATIO = 1100
"""Deflate cannot do better than 1,032:1, so no sound gzip layer is refused; zstd can, so it may need a higher limit."""
_TRUSTED = "if you trust where this kit comes from and its layers are compressed, give a higher --max-ratio"
ALWAYS_ALLOWED_BYTES = 1024**3
"""What a zstd layer may unpack to whatever its ratio: a small layer of zeros harms nobody."""


@dataclass(frozen=True)
class Limits:
    """How much one layer may unpack to.

    Attributes:
        max_bytes: Bytes of the uncompressed layer, tar headers and all.
        max_entries: Files and directories: each takes an inode, whatever its size.
    """

    max_bytes: int
    max_entries: int = MAX_ENTRIES

    @staticmethod
    def for_layer(size: int, compression: Compression, *, max_ratio: int = MAX_RATIO) -> Limits:
        """Limits that follow from a layer's size in the manifest, of which a blob never holds more.

        Args:
            size: Bytes of the layer as stored.
            compression: How it is compressed; ``none`` allows nothing beyond ``size``.
            max_ratio: How many bytes each compressed byte may become.
        """
        if compression == "none":
            return Limits(size)
        return Limits(max(size * max_ratio, ALWAYS_ALLOWED_BYTES if compression == "zstd" else 0))


@dataclass(frozen=True)
class Extracted:
    """What came out of a layer.

    Attributes:
        diff_id: Digest of the uncompressed bytes; empty where it was not asked for.
        files: How many files were written.
        bytes: How many bytes they hold.
    """

    diff_id: str
    files: int
    bytes: int


def extract_tar(
    stream: Readable,
    target_dir: int | Path,
    *,
    control: Control,
    limits: Limits,
    name: str,
    hash_diff_id: bool = True,
    total: int | None = None,
) -> Extracted:
    """Write the files and directories of a tar layer below a staging directory, reading the stream to its end.

    Files keep their permission bits less the umask, never set-id or sticky bits; times and owners are not restored.
    Several layers may be extracted into one directory at the same time, by several threads.

    Args:
        stream: The uncompressed tar.
        target_dir: The staging directory, or a descriptor of it.
        control: Told ``advance`` after each buffer, and asked whether to stop.
        limits: How much the layer may unpack to.
        name: The layer's name, for events and errors.
        hash_diff_id: Compute the diff id; needless for an uncompressed layer, whose digest it is.
        total: Bytes of the uncompressed layer where that is known, for events.

    Raises:
        UnsafeLayerError: An entry escapes, is there twice, is no file or directory, or a limit is exceeded.
        IntegrityError: The tar is damaged or cut short; and what ``stream`` raises.
        StoreError: The file system refuses: no space, no permission.
        CancelledError: The switch was flipped.
    """
    where = f"layer '{name}'"
    metered = _Metered(stream, control, limits, name, hash_diff_id, total)
    reader = TarReader(metered, where)
    entries = files = written = 0
    with Tree(target_dir, where) as tree:
        for path, is_directory, mode, size in reader:
            entries += 1
            if entries > limits.max_entries:
                raise UnsafeLayerError(
                    f"{where} has more than {limits.max_entries} entries",
                    hint="put so many files into an archive of their own and pack that",
                )
            if path[:2] == b"./":
                path = path[2:]  # as `tar -c .` writes them
            if is_directory:
                path = path[:-1] if path[-1:] == b"/" and path != b"/" else path
                if path not in (b"", b"."):
                    tree.make_directory(path, mode)
                continue
            if size > limits.max_bytes:
                raise UnsafeLayerError(
                    f"{where}: entry {show_name(path)} says it has {size} bytes, more than the whole layer may have",
                    hint=_TRUSTED,
                )
            tree.write_file(path, mode, reader.chunk(), size, reader.chunk)
            files += 1
            written += size
    return Extracted(metered.diff_id(), files, written)


def extract_raw(
    stream: Readable,
    target_dir: int | Path,
    path: str,
    *,
    control: Control,
    limits: Limits,
    name: str,
    mode: int = 0o644,
    hash_diff_id: bool = True,
    total: int | None = None,
) -> Extracted:
    """Write a raw layer, which is the bytes of one file, to ``path`` below a staging directory.

    Args:
        stream: The uncompressed bytes.
        target_dir: The staging directory, or a descriptor of it.
        path: The file's path in the kit; checked like any name in a tar.
        control: Told ``advance`` after each buffer, and asked whether to stop.
        limits: How much the layer may unpack to.
        name: The layer's name, for events and errors.
        mode: The file's permission bits, less the umask.
        hash_diff_id: Compute the diff id; needless for an uncompressed layer, whose digest it is.
        total: Bytes of the uncompressed layer where that is known, for events.

    Raises:
        UnsafeLayerError, IntegrityError, StoreError, CancelledError: As :func:`extract_tar`.
    """
    metered = _Metered(stream, control, limits, name, hash_diff_id, total)
    buffer = memoryview(bytearray(READ_BYTES))

    def chunk() -> memoryview:
        return buffer[: metered.readinto(buffer)]

    with Tree(target_dir, f"layer '{name}'") as tree:
        tree.write_file(os.fsencode(path).removeprefix(b"./"), mode, chunk(), limits.max_bytes + 1, chunk)
    return Extracted(metered.diff_id(), 1, metered.done)


class _Metered:
    """A stream on its way to the file system: counted against the limit, hashed, reported, and stopped on request."""

    def __init__(
        self, stream: Readable, control: Control, limits: Limits, name: str, hashed: bool, total: int | None
    ) -> None:
        self._stream = stream
        self._control = control
        self._limits = limits
        self._name = name
        self._hash = hashlib.sha256() if hashed else None
        self._total = total
        self.done = 0

    def readinto(self, buffer: memoryview) -> int:
        self._control.check()
        count = self._stream.readinto(buffer)
        if count:
            self.done += count
            if self.done > self._limits.max_bytes:
                raise UnsafeLayerError(
                    f"layer '{self._name}' unpacks to more than {self._limits.max_bytes} bytes, which its size in the "
                    "manifest does not account for",
                    hint=_TRUSTED,
                )
            if self._hash is not None:
                self._hash.update(buffer[:count])
            self._control.emit(Event("advance", self._name, self.done, self._total))
        return count

    def diff_id(self) -> str:
        return "" if self._hash is None else f"sha256:{self._hash.hexdigest()}"

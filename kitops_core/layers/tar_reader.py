"""A streaming tar reader for what kits are made of: files and directories, nothing else.

Reads USTAR with PAX records (POSIX.1-2001 ``pax``) and GNU long names and base-256 sizes, as the reference CLI,
GNU tar, bsdtar and Python write them. Unlike :mod:`tarfile` it makes no object per entry that it does not need,
hands out file contents straight from its one buffer, and refuses every entry a kit must not hold.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from kitops_core.errors import IntegrityError, InvalidInputError, UnsafeLayerError
from kitops_core.layers.tar_fields import MAX_SIZE, parse_number, parse_pax, show_name, verify_checksum

BLOCK_BYTES = 512
READ_BYTES = 256 * 1024
"""How much is read at a time: small enough that what was read and hashed is still in the cache when it is written."""
MAX_EXTENDED_BYTES = 1024 * 1024
"""How large one PAX or long-name header may be: it is held in memory, and no path needs more."""
MAX_MEMBER_BYTES = 64 * 1024 * 1024
"""How large a file :func:`read_tar_member` hands out unless told otherwise."""

_ZERO_BLOCK = bytes(BLOCK_BYTES)
_NO_CHECKSUM = bytes(8)
# name, mode, size, checksum, type, magic + version, prefix; owner, time, link and device fields are not read
_HEADER = struct.Struct("100s8s16x12s12x8sc100x8s80x155s12x")
_REFUSED_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"S": "a sparse file",
}
_EXTENDED_KINDS = frozenset((b"x", b"g", b"L", b"K"))


class Readable(Protocol):
    """Where a tar is read from: a :class:`~kitops_core.oci.blob.BlobReader`, a decompressor."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 at the end."""


class TarEntry(NamedTuple):
    """A file or directory in a tar, exactly as the archive names it: the name is not to be trusted.

    Attributes:
        name: The name's bytes; a file system's names are bytes too, so none is lost or altered by decoding.
        is_directory: Whether it is a directory; everything else that gets this far is a regular file.
        mode: The mode field: permission bits, and perhaps set-id and sticky bits.
        size: Bytes of content; 0 for a directory, whatever its header says.
    """

    name: bytes
    is_directory: bool
    mode: int
    size: int


class TarReader:
    """The entries of a tar, one after the other, with the content of each while it is the current one.

    The archive ends at two zero blocks, or where the stream ends just after a complete entry: GNU tar and the
    reference CLI take a missing trailer too, and a blob cut short is found by its size and digest. Whatever
    follows the trailer (archivers pad with zeros) is read and dropped, so that the digest covers it.

    Raises (while iterating and from :meth:`chunk`):
        IntegrityError: The stream is no tar, is damaged, or ends in the middle of an entry.
        UnsafeLayerError: An entry is a link, a device, or anything else but a file or directory.
    """

    def __init__(
        self,
        stream: Readable,
        where: str,
        *,
        buffer_bytes: int = READ_BYTES,
        skip: Callable[[int], int] | None = None,
    ) -> None:
        """Read a tar.

        Args:
            stream: Its bytes.
            where: What names the layer in errors.
            buffer_bytes: How much is read at a time, a multiple of 512.
            skip: Passes over so many bytes of the stream, unread, and says how many there were.
        """
        self._stream = stream
        self._pass_over = skip
        self._where = where
        self._buffer = bytearray(buffer_bytes)
        self._view = memoryview(self._buffer)
        self._at = self._end = 0
        self._before = 0  # bytes of the stream that came before what the buffer holds
        self._left = self._padding = 0  # of the current entry
        self._at_eof = False
        self._extended = False  # whether an extended header came before the next entry, and what it says
        self._extended_name = b""
        self._extended_size: int | None = None

    def __iter__(self) -> Iterator[TarEntry]:
        while self._next_block():
            header = self._header()
            if header is None:
                self._read_end()
                break
            name, mode, size, kind = header
            if kind in _EXTENDED_KINDS:
                self._extend(kind, size)
                continue
            if self._extended:
                name, size = self._extended_name or name, size if self._extended_size is None else self._extended_size
                self._extended_name, self._extended_size, self._extended = b"", None, False
            if kind == b"0" or (kind == b"\0" and not name.endswith(b"/")):
                self._left, self._padding = size, -size % BLOCK_BYTES
                yield TarEntry(name, False, mode, size)
            elif kind in (b"5", b"\0"):  # before POSIX, a trailing slash was what made a directory
                yield TarEntry(name, True, mode, 0)
            else:
                what = _REFUSED_KINDS.get(kind, f"of an unknown type {kind!r}")
                raise UnsafeLayerError(
                    f"{self._where}: entry {show_name(name)} is {what}; a kit holds files and directories"
                )
        if self._extended:
            raise self._damaged("it ends after an extended header")

    def chunk(self) -> memoryview:
        """The next bytes of the current entry, empty at its end; valid only until the next call or entry."""
        at = self._at
        if at == self._end and self._left:
            self._fill()
            at = self._at
            if at == self._end:
                raise self._truncated()
        count = min(self._left, self._end - at)
        self._at = at + count
        self._left -= count
        return self._view[at : at + count]

    @property
    def position(self) -> int:
        """How many bytes of the stream come before the next one of the current entry."""
        return self._before + self._at

    def drain(self) -> None:
        """Read to the end of the stream without looking at it, so that whoever checks it can finish."""
        self._at = self._end
        while not self._at_eof:
            self._fill()
            self._at = self._end

    def _fill(self) -> None:
        """Fill the buffer as far as the stream goes, keeping what was not used yet.

        A short read (a TLS record, say) is topped up: a large write costs no more than a small one.
        """
        left = self._end - self._at
        if left:
            self._view[:left] = bytes(self._view[self._at : self._end])
        self._before += self._at
        self._at, end = 0, left
        while end < len(self._view) and not self._at_eof:
            count = self._stream.readinto(self._view[end:])
            end += count
            self._at_eof = not count
        self._end = end

    def _next_block(self) -> bool:
        """Go to the next header, past what was not read of the current entry; false at the end of the stream."""
        gap = self._left + self._padding
        self._left = self._padding = 0
        if self._at + gap <= self._end:
            self._at += gap
        else:
            self._skip(gap)
        if self._end - self._at < BLOCK_BYTES:
            self._fill()
            if 0 < self._end < BLOCK_BYTES:
                raise self._truncated()
        return self._end > self._at

    def _header(self) -> tuple[bytes, int, int, bytes] | None:
        """Name, mode, size and kind from the block at hand, which is passed; ``None`` when it is empty."""
        at = self._at
        name, mode_field, size_field, checksum, kind, magic, prefix = _HEADER.unpack_from(self._buffer, at)
        if checksum == _NO_CHECKSUM and self._buffer[at : at + BLOCK_BYTES] == _ZERO_BLOCK:
            return None
        try:
            verify_checksum(self._view[at : at + BLOCK_BYTES], checksum)
            mode, size = parse_number(mode_field), parse_number(size_field)
        except ValueError as error:
            raise self._damaged(str(error)) from None
        self._at = at + BLOCK_BYTES
        name = name.partition(b"\0")[0]
        if prefix[0] and magic.startswith(b"ustar\0"):
            name = prefix.partition(b"\0")[0] + b"/" + name
        return name, mode, size, kind

    def _extend(self, kind: bytes, size: int) -> None:
        """Keep what an extended header says of the next entry."""
        data = self._read_extended(size)
        if kind == b"g":
            self._check_global(data)
        elif kind != b"K":  # the target of a link, which is refused anyway
            name, new_size = (data.rstrip(b"\0"), None) if kind == b"L" else self._pax(data)
            if (name and self._extended_name) or (new_size is not None and self._extended_size is not None):
                raise self._damaged("two extended headers name or size one entry")
            self._extended_name = name or self._extended_name
            self._extended_size = self._extended_size if new_size is None else new_size
            self._extended = True

    def _skip(self, count: int) -> None:
        if self._pass_over is not None:
            count -= self._end - self._at
            self._at = self._end
            if self._pass_over(count) < count:
                raise self._truncated()
            self._before += count
            return
        while count:
            if self._at == self._end:
                self._fill()
                if self._at == self._end:
                    raise self._truncated()
            step = min(count, self._end - self._at)
            self._at += step
            count -= step

    def _read_end(self) -> None:
        self._at += BLOCK_BYTES
        if self._end - self._at < BLOCK_BYTES:
            self._fill()
        second = self._buffer[self._at : min(self._end, self._at + BLOCK_BYTES)]
        if len(second) == BLOCK_BYTES and second != _ZERO_BLOCK:
            raise self._damaged("it goes on after an empty block")
        self.drain()

    def _read_extended(self, size: int) -> bytes:
        if size > MAX_EXTENDED_BYTES:
            raise UnsafeLayerError(
                f"{self._where}: an extended header says it has {size} bytes, the limit is {MAX_EXTENDED_BYTES}"
            )
        self._left = size
        data = b"".join(bytes(self.chunk()) for _ in iter(lambda: self._left, 0))
        self._padding = -size % BLOCK_BYTES
        return data

    def _pax(self, data: bytes) -> tuple[bytes, int | None]:
        """Name and size from a PAX header. All other records (times, owners, comments) say nothing a kit keeps."""
        try:
            records = parse_pax(data)
            size_field = records.get(b"size") or None
            if size_field is not None and not size_field.isdigit():
                raise ValueError(f"size {size_field!r} is no number")
            size = None if size_field is None else int(size_field)
            if size is not None and size > MAX_SIZE:
                raise ValueError(f"size {size} is impossible")
        except ValueError as error:
            raise self._damaged(f"PAX header: {error}") from None
        if any(key.startswith(b"GNU.sparse.") for key in records):
            raise UnsafeLayerError(f"{self._where}: an entry is a sparse file; a kit holds files and directories")
        return records.get(b"path", b""), size

    def _check_global(self, data: bytes) -> None:
        """Refuse a global header that renames or resizes what follows.

        No archiver writes that, and readers differ on what it means: two tools would see two contents of one digest.
        """
        try:
            records = parse_pax(data)
        except ValueError as error:
            raise self._damaged(f"PAX header: {error}") from None
        if bad := [key.decode() for key in (b"path", b"size") if records.get(key)]:
            raise UnsafeLayerError(f"{self._where}: a global PAX header sets {' and '.join(bad)} for all entries")

    def _damaged(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._where}: not a sound tar: {what} (at byte {self._before + self._at})")

    def _truncated(self) -> IntegrityError:
        return IntegrityError(
            f"{self._where}: the tar ends in the middle of an entry, after {self._before + self._end} bytes"
        )


def read_tar_member(
    stream: Readable, path: str, *, where: str = "layer", limit: int = MAX_MEMBER_BYTES
) -> bytes | None:
    """One file of a tar, without unpacking anything.

    The stream is always read to its end: only then was its digest checked.

    Args:
        stream: The uncompressed tar.
        path: The path in the kit, as in the archive, without a leading ``./``.
        where: What names the layer in errors.
        limit: How many bytes the file may have.

    Returns:
        The file's content, or ``None`` where the tar has no such file.

    Raises:
        InvalidInputError: The file is larger than ``limit``.
        IntegrityError: The tar is damaged, unsafe, or not what its digest says.
    """
    wanted = os.fsencode(path)
    reader = TarReader(stream, where)
    for entry in reader:
        if not entry.is_directory and entry.name.removeprefix(b"./") == wanted:
            if entry.size > limit:
                raise InvalidInputError(
                    f"{where}: {show_name(wanted)} has {entry.size} bytes; at most {limit} are read into memory",
                    hint="unpack it instead",
                )
            parts = []
            while chunk := reader.chunk():
                parts.append(bytes(chunk))
            reader.drain()
            return b"".join(parts)
    return None

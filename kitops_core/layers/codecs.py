"""Compression of layers: none, gzip and zstd, written and read as streams in constant memory.

What is written depends on nothing but the bytes, the codec and its version: not on threads, nor on how the bytes
arrive. Two versions of a codec may differ, so compressed kits are compared by their layers' diffIds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol, cast

from kitops_core.errors import IntegrityError
from kitops_core.oci.blob import BUFFER_BYTES, BlobReader
from kitops_core.oci.media_types import Compression

if TYPE_CHECKING:
    from concurrent.futures import Future

GZIP_LEVEL = 3
GZIP_FASTEST_LEVEL = 1
ZSTD_LEVEL = 3

_WINDOW_BYTES = 32 * 1024  # how far deflate looks back
_THREADS = 2
_INPUT_BYTES = 256 * 1024
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no particular system
_DEFLATE_END = b"\x03\x00"  # an empty last block


class Decompressor(Protocol):
    """The uncompressed bytes of a blob."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 once all was read and the blob's digest was found right.

        Raises:
            IntegrityError: The blob is not what its digest says, is no such compressed stream, is cut short, or goes
                on after its end.
        """


def compressed(
    plain: Iterator[memoryview],
    compression: Compression,
    *,
    fastest: bool = False,
    on_plain: Callable[[bytes], object] = lambda _: None,
) -> Iterator[memoryview]:
    """Compress a stream.

    Args:
        plain: Its buffers, each valid until the next is asked for.
        compression: ``gzip`` or ``zstd``; with ``none`` the bytes are passed on as they are.
        fastest: For gzip, the lowest level.
        on_plain: Called with the uncompressed bytes, in order: to hash them.
    """
    if compression == "gzip":
        return _gzip(_blocks(plain), GZIP_FASTEST_LEVEL if fastest else GZIP_LEVEL, on_plain)
    if compression == "zstd":
        return _zstd(_blocks(plain), on_plain)
    return plain


def decompressed(reader: BlobReader, compression: Compression) -> Decompressor:
    """The uncompressed bytes of ``reader``, which is read to its end so that its digest is checked.

    Gzip streams of several members and zstd streams of several frames are read as one.
    """
    if compression == "gzip":
        return _Gunzip(reader)
    if compression == "zstd":
        return _Unzstd(reader)
    return reader


def _blocks(plain: Iterator[memoryview]) -> Iterator[bytes]:
    """The same bytes in blocks of exactly 1 MiB and a rest: a codec's output depends on how it is fed."""
    block = bytearray()
    for view in plain:
        at = 0
        if not block and len(view) == BUFFER_BYTES:
            yield bytes(view)
            continue
        while at < len(view):
            taken = view[at : at + BUFFER_BYTES - len(block)]
            block += taken
            at += len(taken)
            if len(block) == BUFFER_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _gzip(blocks: Iterator[bytes], level: int, on_plain: Callable[[bytes], object]) -> Iterator[memoryview]:
    """One gzip member (RFC 1952), its blocks deflated side by side, each with the window the one before leaves it."""
    # Imported only where something is compressed: with the logging it brings, it takes as long as reading a small kit.
    from concurrent.futures import ThreadPoolExecutor

    from isal import isal_zlib

    def deflate(block: bytes, window: bytes) -> tuple[bytes, int]:
        options = (isal_zlib.DEFLATED, -15, isal_zlib.DEF_MEM_LEVEL, isal_zlib.Z_DEFAULT_STRATEGY)
        compressor = isal_zlib.compressobj(level, *options, *((window,) if window else ()))
        return compressor.compress(block) + compressor.flush(isal_zlib.Z_SYNC_FLUSH), isal_zlib.crc32(block)

    checksum = length = 0
    window = b""
    pending: deque[tuple[Future[tuple[bytes, int]], int]] = deque()
    yield memoryview(_GZIP_HEADER)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="kitops-gzip")
    try:
        for block in blocks:
            pending.append((pool.submit(deflate, block, window), len(block)))
            window = block[-_WINDOW_BYTES:]
            on_plain(block)
            length += len(block)
            if len(pending) > _THREADS:
                deflated, checksum = _collect(pending, checksum, isal_zlib.crc32_combine)
                yield memoryview(deflated)
        while pending:
            deflated, checksum = _collect(pending, checksum, isal_zlib.crc32_combine)
            yield memoryview(deflated)
    finally:
        pool.shutdown(cancel_futures=True)
    trailer = checksum.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")
    yield memoryview(_DEFLATE_END + trailer)


def _collect(
    pending: deque[tuple[Future[tuple[bytes, int]], int]], checksum: int, combine: Callable[[int, int, int], int]
) -> tuple[bytes, int]:
    """The next block, deflated, and the checksum of all up to it."""
    future, length = pending.popleft()
    deflated, own = future.result()
    return deflated, combine(checksum, own, length)


def _zstd(blocks: Iterator[bytes], on_plain: Callable[[bytes], object]) -> Iterator[memoryview]:
    """One zstd frame (RFC 8878) with a checksum."""
    import zstandard

    # With any number of threads but none, the frame is cut into the same jobs: the output does not depend on it.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, threads=_THREADS, write_checksum=True).compressobj()
    for block in blocks:
        on_plain(block)
        output = compressor.compress(block)
        if output:
            yield memoryview(output)
    yield memoryview(compressor.flush())


class _Input:
    """A blob's bytes in pieces, to the end and no further."""

    def __init__(self, reader: BlobReader, codec: str) -> None:
        self._reader = reader
        self._codec = codec
        self._view = memoryview(bytearray(_INPUT_BYTES))
        self._ended = False

    def read(self, _size: int = -1) -> bytes:
        """The next piece; nothing once the blob was read to its end and found right."""
        if self._ended:
            return b""
        count = self._reader.readinto(self._view)
        self._ended = count == 0
        return bytes(self._view[:count])

    def fail(self, why: object) -> NoReturn:
        """Say what is wrong; first that the blob was altered, where it was, since that explains all else."""
        while self.read():
            pass
        raise IntegrityError(f"blob {self._reader.descriptor.digest} is not a sound {self._codec} stream: {why}")


class _Gunzip:
    """Reads gzip, one member after the other."""

    def __init__(self, reader: BlobReader) -> None:
        from isal import igzip_lib

        self._input = _Input(reader, "gzip")
        self._error = cast(type[Exception], igzip_lib.IsalError)
        self._open: Callable[[], Any] = partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP)
        self._member = self._open()

    def readinto(self, buffer: memoryview, /) -> int:
        """See :class:`Decompressor`."""
        while True:
            data = b""
            if self._member.eof:
                data = self._member.unused_data or self._input.read()
                if not data:
                    return 0
                self._member = self._open()
            elif self._member.needs_input:
                data = self._input.read()
                if not data:
                    self._input.fail("it is cut short")
            try:
                plain = self._member.decompress(data, len(buffer))
            except self._error as error:
                self._input.fail(error)
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)


class _Unzstd:
    """Reads zstd, one frame after the other."""

    def __init__(self, reader: BlobReader) -> None:
        import zstandard

        self._input = _Frames(reader, "zstd")
        self._error = zstandard.ZstdError
        source = cast(IO[bytes], self._input)
        self._stream = zstandard.ZstdDecompressor().stream_reader(source, _INPUT_BYTES, read_across_frames=True)

    def readinto(self, buffer: memoryview, /) -> int:
        """See :class:`Decompressor`."""
        try:
            count = self._stream.readinto(buffer)
        except self._error as error:
            self._input.fail(error)
        if count == 0 and not self._input.whole:
            self._input.fail("it is cut short")
        return count


class _Frames(_Input):
    """Follows the frames that pass (RFC 8878, 3.1): the library does not tell a cut frame from a whole one."""

    def __init__(self, reader: BlobReader, codec: str) -> None:
        super().__init__(reader, codec)
        self._rest = b""  # the start of a header that is not complete yet
        self._skip = 0  # what is still to come before the next header
        self._in_frame = self._any_frame = False
        self._checksum_bytes = 0

    @property
    def whole(self) -> bool:
        """Whether what was read so far ends with a frame."""
        return self._any_frame and not (self._in_frame or self._rest or self._skip)

    def read(self, size: int = -1) -> bytes:
        """The next piece, see :meth:`_Input.read`."""
        piece = super().read(size)
        data = self._rest + piece
        at = self._skip
        while at < len(data):
            length = self._block(data[at : at + 3]) if self._in_frame else self._header(data[at : at + 8])
            if not length:
                break
            at += length
        self._rest = data[at:]
        self._skip = max(0, at - len(data))
        return piece

    def _block(self, head: bytes) -> int:
        """The length of a block with its header, and of the checksum behind the last one; 0 to wait for more."""
        if len(head) < 3:
            return 0
        value = int.from_bytes(head, "little")
        is_last, is_run, size = value & 1, value >> 1 & 3 == 1, value >> 3
        self._in_frame = not is_last
        return 3 + (1 if is_run else size) + (self._checksum_bytes if is_last else 0)

    def _header(self, head: bytes) -> int:
        """The length of a frame's header, or of a whole skippable frame; 0 to wait for more."""
        if len(head) < 8:
            return 0
        self._any_frame = True
        if head[1:4] == b"\x2a\x4d\x18":
            return 8 + int.from_bytes(head[4:8], "little")
        descriptor = head[4]
        single = descriptor >> 5 & 1
        self._in_frame = True
        self._checksum_bytes = 4 * (descriptor >> 2 & 1)
        return 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]

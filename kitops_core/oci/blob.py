"""Streams of blob bytes: what a storage reads from when it writes a blob, and what it hands out when it reads one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from kitops_core.errors import IntegrityError
from kitops_core.oci.manifest import Descriptor, sha256_digest

BUFFER_BYTES = 1024 * 1024
"""How much is read, hashed and sent at a time; 256 KiB to 4 MiB measured alike, and memory stays flat."""
SMALL_BYTES = 256 * 1024
"""A blob up to this size may be held in memory: then its digest is known before it is sent, which saves a request."""


class BlobSource(Protocol):
    """Bytes to be written as a blob.

    The stream can be started again from the beginning as often as needed (a connection may drop), and yields
    buffers that are valid only until the next one is asked for.
    """

    @property
    def name(self) -> str:
        """What it is, for progress and errors: a path in the kit, ``config``."""

    @property
    def media_type(self) -> str:
        """The media type its descriptor will carry."""

    @property
    def size(self) -> int | None:
        """Exact length in bytes, or ``None`` where it cannot be known beforehand."""

    @property
    def known(self) -> Descriptor | None:
        """The descriptor where it is known beforehand: a storage that has the blob already moves nothing."""

    @property
    def verified(self) -> bool:
        """Whether :meth:`stream` itself raises when the bytes differ from ``known``, so that no one else need hash."""

    def stream(self) -> Iterator[memoryview]:
        """The bytes, from the beginning."""


class RawReader(Protocol):
    """Anything bytes can be read from into a buffer: a file opened without buffering, an HTTP response."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill (part of) ``buffer``; 0 at the end."""

    def close(self) -> None:
        """Let go of the file or connection."""


class BytesSource:
    """A blob that is in memory: a config, an attestation."""

    verified = True

    def __init__(self, data: bytes, media_type: str, name: str = "config") -> None:
        self.data = data
        self.name = name
        self.media_type = media_type
        self.size: int | None = len(data)
        self.descriptor = Descriptor(media_type, sha256_digest(data), len(data))
        self.known: Descriptor | None = self.descriptor

    def stream(self) -> Iterator[memoryview]:
        """The bytes, from the beginning."""
        yield memoryview(self.data)


class BlobReader:
    """The bytes of a blob, checked while they are read.

    The check is complete once :meth:`readinto` has returned 0: whoever reads must read to the end before
    trusting what was read. Never hands out more than the descriptor's size.
    """

    def __init__(self, raw: RawReader, descriptor: Descriptor, where: str) -> None:
        self.descriptor = descriptor
        self._raw = raw
        self._where = where
        self._left = descriptor.size
        self._hash = hashlib.new(descriptor.digest.partition(":")[0])

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill (part of) ``buffer`` and return how many bytes; 0 once all were read and their digest is right.

        Raises:
            IntegrityError: Too few or too many bytes, or another digest.
        """
        view = memoryview(buffer)
        if self._left == 0:
            return self._finish()
        count = self._raw.readinto(view[: self._left] if len(view) > self._left else view) or 0
        if count == 0:
            raise IntegrityError(
                f"{self._where}: blob {self.descriptor.digest} ends {self._left} bytes short of {self.descriptor.size}"
            )
        self._hash.update(view[:count])
        self._left -= count
        return count

    def _finish(self) -> int:
        if self._raw.readinto(memoryview(bytearray(1))):
            raise IntegrityError(
                f"{self._where}: blob {self.descriptor.digest} has more bytes than the {self.descriptor.size} it should"
            )
        actual = self._hash.hexdigest()
        algorithm, _, expected = self.descriptor.digest.partition(":")
        if actual != expected:
            raise IntegrityError(
                f"{self._where}: blob {self.descriptor.digest} was altered: its bytes have digest {algorithm}:{actual}"
            )
        return 0

    def chunks(self, size: int = BUFFER_BYTES) -> Iterator[memoryview]:
        """All bytes in buffers of up to ``size``, each valid until the next; the last one was checked when it ends."""
        view = memoryview(bytearray(max(1, min(size, self.descriptor.size or 1))))
        while count := self.readinto(view):
            yield view[:count]

    def read_all(self, limit: int) -> bytes:
        """The whole blob in memory.

        Raises:
            IntegrityError: It is larger than ``limit`` bytes, or altered.
        """
        if self.descriptor.size > limit:
            raise IntegrityError(
                f"{self._where}: blob {self.descriptor.digest} has {self.descriptor.size} bytes, the limit is {limit}"
            )
        return b"".join(bytes(chunk) for chunk in self.chunks())

    def close(self) -> None:
        """Let go of the file or connection."""
        self._raw.close()

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

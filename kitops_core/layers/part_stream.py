"""A layer's bytes in order, of which long stretches are passed over without being fetched."""

from __future__ import annotations

import os
from collections.abc import Callable

PART_BYTES = 128 * 1024
"""How much is fetched first: more than most headers have."""
_MOST_BYTES = 64 * PART_BYTES


class NotByPartsError(Exception):
    """The layer is better read whole: the storage sends no parts, or too much of it would have to be fetched."""


class PartStream:
    """Bytes that are fetched part by part, a larger one each time until something is passed over.

    Nothing is checked against a digest: that takes all bytes.

    Args:
        fetch: Gives the bytes from one place up to another, which is not among them; ``None`` where it cannot.
        size: How many bytes there are.
        most: How many of them may be fetched.
    """

    def __init__(self, fetch: Callable[[int, int], bytes | None], size: int, most: int) -> None:
        self._fetch = fetch
        self._size = size
        self._left = most
        self._part = b""
        self._begin = 0  # of the part
        self._at = 0
        self._next = PART_BYTES

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 at the end.

        Raises:
            NotByPartsError: The layer is to be read whole.
            DeniedError, NotFoundError, RegistryError: The storage refused or failed.
        """
        if self._at == self._size:
            return 0
        if self._at >= self._begin + len(self._part):
            self._begin, self._part = self._at, self.fetch(self._at, min(self._at + self._next, self._size))
            self._next = min(2 * self._next, _MOST_BYTES)
        start = self._at - self._begin
        piece = self._part[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes, or what there is of them; how many that were."""
        passed = min(count, self._size - self._at)
        self._at += passed
        self._next = PART_BYTES
        return passed

    def fetch(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end``, wherever the stream is.

        Raises:
            NotByPartsError: The layer is to be read whole.
            DeniedError, NotFoundError, RegistryError: The storage refused or failed.
        """
        self._left -= end - start
        part = self._fetch(start, end) if self._left >= 0 else None
        if part is None or len(part) < end - start:
            raise NotByPartsError
        return part


class PartFile:
    """A file within such a stream, to be read anywhere; its end is fetched once.

    Args:
        stream: The stream, which stays where it is.
        begin: Where the file begins there.
        size: How many bytes it has.
    """

    def __init__(self, stream: PartStream, begin: int, size: int) -> None:
        self._stream = stream
        self._begin = begin
        self._size = size
        self._at = 0
        self._end_at = max(0, size - PART_BYTES)
        self._end = b""

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go elsewhere.

        Raises:
            ValueError: That is before the beginning.
        """
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise ValueError("before the beginning")
        self._at = at
        return at

    def read(self, count: int = -1, /) -> bytes:
        """``count`` bytes, or what there is of them; all that are left where it is negative.

        Raises:
            NotByPartsError, DeniedError, NotFoundError, RegistryError: As for :meth:`PartStream.fetch`.
        """
        start, stop = self._at, self._size if count < 0 else min(self._at + count, self._size)
        if stop <= start:
            return b""
        if start < self._end_at:
            data = self._stream.fetch(self._begin + start, self._begin + stop)
        else:
            self._end = self._end or self._stream.fetch(self._begin + self._end_at, self._begin + self._size)
            data = self._end[start - self._end_at : stop - self._end_at]
        self._at = stop
        return data

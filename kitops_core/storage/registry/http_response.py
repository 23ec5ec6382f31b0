"""An answer whose body is read from its connection: as long as was said, in chunks, or until the connection ends."""

from __future__ import annotations

from typing import Protocol

from kitops_core.storage.registry.http_head import BadAnswerError, Head, body_length, stays_open

_PIECE_BYTES = 256 * 1024
_MOST_LINE_BYTES = 8 * 1024
_MOST_TRAILERS = 100


class Wire(Protocol):
    """The connection that an answer comes by."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) a buffer; 0 where the connection has ended."""

    def readline(self, most: int) -> bytes:
        """A line without its end; raises where the connection ends before, or the line is too long."""

    def give_back(self) -> None:
        """Its answer was read to the end, and another request can be sent by it."""

    def close(self) -> None:
        """End it."""

    def shut_down(self) -> None:
        """Wake whoever waits for it."""


class Response:
    """An answer whose head was read; whoever has it reads its body and closes it.

    Attributes:
        status: The status.
        headers: The fields of its head.
    """

    def __init__(self, method: str, head: Head, wire: Wire, *, reusable: bool = True) -> None:
        """Begin to read.

        Args:
            method: The method of the request.
            head: The head.
            wire: Where the body comes from.
            reusable: Whether another request can be sent by the same connection.

        Raises:
            BadAnswerError: Its head does not say how long the body is.
        """
        self.status = head.status
        self.headers = head.headers
        self._wire: Wire | None = wire
        self._left = body_length(method, head)
        self._chunked = self._is_first = self._left == -1
        self._left = 0 if self._chunked else self._left
        self._is_whole = self._left == 0 and not self._chunked
        self._reusable = reusable and self._left is not None and stays_open(head)
        self._failed: Exception | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer`` as far as there are bytes; 0 at the end of the body.

        Raises:
            OSError: The connection broke, or ended too early.
            BadAnswerError: The chunks are none.
        """
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed
        filled, size = 0, len(buffer)
        try:
            while filled < size and (count := self._piece(buffer[filled:])):
                filled += count
        except (OSError, BadAnswerError) as error:
            if not filled:
                raise
            self._failed = error.with_traceback(None)  # first what came before
        return filled

    def read(self, most: int) -> bytes:
        """Up to so many bytes; empty at the end of the body. Raises as :meth:`readinto`."""
        if self._is_whole:
            return b""
        size = _PIECE_BYTES if self._left is None or self._chunked else self._left
        buffer = memoryview(bytearray(min(most, size, _PIECE_BYTES)))
        return bytes(buffer[: self.readinto(buffer)])

    def close(self) -> None:
        """Give the connection back, or end it where bytes are left on it."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if self._is_whole and self._reusable:
            wire.give_back()
        else:
            wire.close()

    def abort(self) -> None:
        """Break the connection, so that a thread that reads from it stops waiting."""
        wire = self._wire
        if wire is not None:
            wire.shut_down()

    def _piece(self, buffer: memoryview) -> int:
        """Fill (part of) ``buffer`` with what comes next; 0 at the end of the body."""
        if self._chunked and self._left == 0 and not self._is_whole:
            self._next_chunk()
        if self._is_whole:
            return 0
        wire, left = self._wire, self._left
        if wire is None:
            raise ConnectionError("the answer was closed")
        if left is None:
            count = wire.readinto(buffer)
            self._is_whole = count == 0
            return count
        count = wire.readinto(buffer[:left] if left < len(buffer) else buffer)
        if count == 0:
            raise ConnectionError("the connection ended in the middle of an answer")
        self._left = left - count
        self._is_whole = self._left == 0 and not self._chunked
        return count

    def _next_chunk(self) -> None:
        if not self._is_first and self._line():
            raise BadAnswerError("the server's answer has a chunk that is longer than it says")
        self._is_first = False
        size = self._line().partition(b";")[0].strip()
        if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
            raise BadAnswerError("the server's answer comes in chunks without a size")
        self._left = int(size, 16)
        if self._left == 0:
            for _ in range(_MOST_TRAILERS):
                if not self._line():
                    self._is_whole = True
                    return
            raise BadAnswerError("the server's answer has no end")

    def _line(self) -> bytes:
        if self._wire is None:
            raise ConnectionError("the answer was closed")
        return self._wire.readline(_MOST_LINE_BYTES)

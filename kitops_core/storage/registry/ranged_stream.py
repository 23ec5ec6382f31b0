"""One connection's stream of bytes, taken up again where the connection broke."""

from __future__ import annotations

import re

from kitops_core.events import Control
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.failures import LostError, lost
from kitops_core.storage.registry.http_head import BadAnswerError
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.served import Served

_RANGE = r"bytes (\d+)-(\d+)/(\d+|\*)"


class NoPartsError(Exception):
    """The server does not send the part that it was asked for."""


class RangedStream:
    """Bytes as they come, not yet checked; one connection at a time, opened at once.

    Args:
        served: The bytes.
        control: Where retries are reported, and what stops the reading.
        start: The first byte.
        end: The byte after the last one; ``None`` for all that there are.
        patient: Whether to go on after a break, whatever it takes. Otherwise what goes wrong is raised at once:
            :class:`NoPartsError` or :class:`~.failures.LostError`.

    Raises:
        KitOpsError: The server refused or failed.
    """

    def __init__(
        self, served: Served, control: Control, start: int = 0, end: int | None = None, *, patient: bool = True
    ) -> None:
        self._served = served
        self._control = control
        self._offset = start
        self._end = served.size if end is None else end
        self._patient = patient
        self._backoff = Backoff(served.options, control, served.server)
        self._response: Response
        try:
            self._open()
        except LostError as broken:
            if not patient:
                raise
            self._go_on(broken)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 at the end.

        Raises:
            DeniedError, NotFoundError, RegistryError: The server refused or failed.
            CancelledError: The switch was flipped.
        """
        if self._end < self._served.size:
            if self._offset == self._end:
                return 0
            buffer = buffer[: self._end - self._offset]
        while True:
            self._control.check()
            try:
                count = self._read(buffer)
                if count == 0 and self._offset < self._end:
                    raise LostError(f"the connection ended after {self._offset} of {self._served.size} bytes")
            except LostError as broken:
                if not self._patient:
                    raise
                self._response.close()
                self._go_on(broken)
                continue
            if count:
                self._offset += count
                self._control.lanes.moved(count)
                self._backoff.over()
            return count

    def close(self) -> None:
        """Give the connection back, or close it where bytes are left on it."""
        self._response.close()

    def abort(self) -> None:
        """Break the connection, so that a thread that reads from it stops waiting."""
        self._response.abort()

    def _read(self, buffer: memoryview) -> int:
        try:
            return self._response.readinto(buffer)
        except (OSError, BadAnswerError) as error:
            raise lost(error) from error

    def _go_on(self, broken: LostError) -> None:
        while True:
            if not self._backoff.wait_after(broken):
                raise self._backoff.last(broken.error(self._served.doing)) from broken.__cause__
            try:
                self._open()
                return
            except LostError as again:
                broken = again

    def _open(self) -> None:
        """Ask for what is left."""
        self._ask(self._offset, self._end)
        if not self._offset and self._end == self._served.size:
            return
        if self._response.status == 206 and self._is_part(self._response.headers.get("content-range", "")):
            return
        whole = self._response.status == 200
        if not self._patient or not whole:
            self._response.close()
        if not self._patient:
            raise NoPartsError
        if not whole:  # another part than asked for, or none: all of it is sure to have ours
            self._ask(0, self._served.size)
        self._skip()

    def _ask(self, start: int, end: int) -> None:
        self._response = self._served.part(start, end, self._control, patient=self._patient)

    def _skip(self) -> None:
        """Pass over what comes before: this server does not send parts."""
        scratch = memoryview(bytearray(min(BUFFER_BYTES, self._offset)))
        left = self._offset
        while left:
            self._control.check()
            count = self._read(scratch[:left])
            if count == 0:
                raise LostError("the connection ended before the place where it broke")
            left -= count

    def _is_part(self, header: str) -> bool:
        match = re.fullmatch(_RANGE, header.strip())
        return match is not None and int(match[1]) == self._offset and match[3] in (str(self._served.size), "*")

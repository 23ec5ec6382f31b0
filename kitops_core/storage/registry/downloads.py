"""Blobs from a registry: read straight from the connection, and from several where one is all that holds us up."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.lanes import PART_BYTES
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.registry.endpoint import PULL, Endpoint
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.parts_ahead import PartsAhead
from kitops_core.storage.registry.ranged_stream import RangedStream
from kitops_core.storage.registry.served import ANSWERS, Served
from kitops_core.storage.registry.transport import Request

_WAITING_SECONDS = 0.05
_LEAST_BYTES = 2 * PART_BYTES
"""What is left must be so much for further connections to be worth their while."""


class Download:
    """Bytes in order, not yet checked; one connection, opened at once, and more while these are what we wait for.

    The first connection is asked for everything, as on a fast link nothing is faster. Where the processor waits for it,
    other connections fetch parts further on, and the first is let go of once their place is reached. Whatever goes
    wrong with them, one connection goes on from there.

    Args:
        served: The bytes.
        control: Where retries are reported, what stops the reading, and how many connections there may be.

    Raises:
        KitOpsError: The server refused or failed.
    """

    def __init__(self, served: Served, control: Control) -> None:
        self._served = served
        self._control = control
        self._lanes = control.lanes
        self._position = 0
        self._opened = time.monotonic()
        self._reading = 0.0
        self._ahead: PartsAhead | None = None
        self._refused = False
        self._end = served.size
        self._stream: RangedStream | None = RangedStream(served, control)
        self._lanes.begin_reading()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 at the end.

        Raises:
            DeniedError, NotFoundError, RegistryError: The server refused or failed.
            CancelledError: The switch was flipped.
        """
        started = time.monotonic()
        if self._ahead is not None and self._ahead.is_refused:
            self._give_up_parts()
        count = self._from_ahead(buffer) or self._from_stream(buffer)
        self._position += count
        self._reading += time.monotonic() - started
        if not self._refused and self._lanes.most > 1:
            self._look_ahead()
        return count

    def close(self) -> None:
        """Let go of all connections."""
        if self._ahead is not None:
            self._ahead.close()
        if self._stream is not None:
            self._stream.close()
        self._lanes.end_reading()

    def _from_ahead(self, buffer: memoryview) -> int:
        ahead = self._ahead
        if ahead is None or not ahead.is_proven or self._position < ahead.start:
            return 0
        if self._stream is not None:
            if self._end < self._served.size and self._position < self._end:
                return 0  # it fills a gap
            self._stream.close()
            self._stream = None
        if self._position == self._served.size:
            return 0
        return ahead.readinto(buffer, self._position)

    def _from_stream(self, buffer: memoryview) -> int:
        if self._stream is None:
            if self._position == self._served.size:
                return 0
            self._end = self._ahead.gap(self._position) if self._ahead is not None else self._served.size
            self._stream = RangedStream(self._served, self._control, self._position, self._end)
        if self._ahead is not None and self._ahead.is_proven and self._position < self._ahead.start:
            buffer = buffer[: self._ahead.start - self._position]
        return self._stream.readinto(buffer)

    def _look_ahead(self) -> None:
        """Let free lanes fetch what comes later, where reading is what takes the time and the processor waits."""
        left = self._served.size - self._position
        if self._ahead is None:
            held_up = self._reading > (time.monotonic() - self._opened) / 2
            if left < _LEAST_BYTES or not held_up or not self._lanes.waits(_WAITING_SECONDS):
                return
            self._ahead = PartsAhead(self._served, self._control, self._position + PART_BYTES)
        self._ahead.staff()

    def _give_up_parts(self) -> None:
        """One connection it is, for all that is left."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        self._refused = True
        if self._stream is not None and self._end < self._served.size:
            self._stream.close()
            self._stream = None


def download_blob(endpoint: Endpoint, descriptor: Descriptor, control: Control) -> Download:
    """The bytes of a blob as they come, not yet checked.

    Args:
        endpoint: The repository.
        descriptor: The blob.
        control: Where retries are reported, what stops the reading, and how many connections there may be.

    Raises:
        NotFoundError: The registry does not have it.
        DeniedError, RegistryError: The registry refused or failed.
    """
    return Download(serve_blob(endpoint, descriptor), control)


def serve_blob(endpoint: Endpoint, descriptor: Descriptor) -> Served:
    """A blob, of which nothing was asked for yet."""
    doing = f"read the blob {descriptor.digest} of {endpoint.name}"
    url = endpoint.url(f"blobs/{descriptor.digest}")
    transport = endpoint.transport

    def ask(headers: Mapping[str, str], control: Control, keep_trying: float | None) -> tuple[Response, str]:
        expect = ANSWERS if headers else (200,)
        request = Request(endpoint.access(PULL), "GET", url, doing, expect, headers, keep_trying=keep_trying)
        try:
            return transport.open(request, control)
        except NotFoundError as error:
            raise NotFoundError(f"{endpoint.name} has no blob {descriptor.digest}") from error

    def send(url: str, headers: Mapping[str, str], control: Control) -> Response:
        return transport.send("GET", url, headers, control=control)

    return Served(
        url,
        ask,
        send,
        size=descriptor.size,
        doing=doing,
        server=endpoint.registry,
        options=transport.options,
    )

"""Blobs from a registry: read straight from the connection, taken up again where a connection broke."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import Protocol

from urllib3.exceptions import HTTPError

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.registry.endpoint import PULL, Endpoint
from kitops_core.storage.registry.failures import LostError, lost
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.transport import Backoff, Request, Response

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Readable(Protocol):
    def readinto(self, buffer: memoryview, /) -> int: ...


class RangedStream:
    """The bytes behind a URL as they come, not yet checked; one connection, opened at once.

    Args:
        open_at: Asks for what is left from a byte on; answers with a status of 200 or 206.
        size: How many bytes there are.
        doing: What it does, as in "cannot <doing>", for errors.
        server: What retries are reported under.
        options: How often and how long to try.
        control: Where retries are reported, and what stops the reading.

    Raises:
        KitOpsError: What ``open_at`` raises.
    """

    def __init__(
        self,
        open_at: Callable[[int], Response],
        size: int,
        doing: str,
        server: str,
        options: RegistryOptions,
        control: Control,
    ) -> None:
        self._open_at = open_at
        self._size = size
        self._doing = doing
        self._server = server
        self._options = options
        self._control = control
        self._offset = 0
        self._done = False
        self._backoff = self._new_backoff()
        self._response: Response
        self._body: _Readable
        self._open()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) ``buffer``; 0 at the end.

        Raises:
            IntegrityError: Going on after a break, the server sent another part than asked for.
            DeniedError, NotFoundError, RegistryError: The server refused or failed.
            CancelledError: The switch was flipped.
        """
        while True:
            self._control.check()
            try:
                count = self._read(buffer)
                if count == 0 and self._offset < self._size:
                    raise LostError(f"the connection ended after {self._offset} of {self._size} bytes")
            except LostError as broken:
                self._go_on(broken)
                continue
            self._done = count == 0
            if count:
                self._offset += count
                self._control.lanes.moved(count)
                if self._backoff.attempts:
                    self._backoff = self._new_backoff()
            return count

    def close(self) -> None:
        """Give the connection back, or close it where bytes are left on it."""
        if self._done:
            self._response.release_conn()
        else:
            self._response.close()

    def _new_backoff(self) -> Backoff:
        return Backoff(self._options, self._control, self._server)

    def _read(self, buffer: memoryview) -> int:
        try:
            return self._body.readinto(buffer)
        except (HTTPError, OSError, http.client.HTTPException) as error:
            raise lost(error) from error

    def _go_on(self, broken: LostError) -> None:
        self._response.close()
        while True:
            if not self._backoff.wait(broken.problem):
                raise broken.error(self._doing) from broken.__cause__
            try:
                self._open()
                return
            except LostError as again:
                broken = again

    def _open(self) -> None:
        """Ask for what is left."""
        self._response = self._open_at(self._offset)
        # http.client fills a buffer in place, urllib3 copies: an eighth of the CPU time of a download.
        inner = getattr(self._response, "_fp", None)
        self._body = inner if isinstance(inner, http.client.HTTPResponse) else self._response
        if self._offset and self._response.status == 200:
            self._skip()
        elif self._offset:
            self._check_range(self._response.headers.get("content-range", ""))

    def _skip(self) -> None:
        """Pass over what was read before: this server does not send parts."""
        scratch = memoryview(bytearray(min(BUFFER_BYTES, self._offset)))
        left = self._offset
        while left:
            self._control.check()
            count = self._read(scratch[:left])
            if count == 0:
                raise LostError("the connection ended before the place where it broke")
            left -= count

    def _check_range(self, header: str) -> None:
        match = _RANGE.fullmatch(header.strip())
        if match is None or int(match[1]) != self._offset or match[2] not in (str(self._size), "*"):
            self._response.close()
            raise IntegrityError(
                f"cannot {self._doing}: asked for it from byte {self._offset}, and got another part ('{header[:80]}')"
            )


class BlobStream(RangedStream):
    """The bytes of a blob as they come, not yet checked; one connection, opened at once.

    Args:
        endpoint: The repository.
        descriptor: The blob.
        control: Where retries are reported, and what stops the reading.

    Raises:
        NotFoundError: The registry does not have it.
        DeniedError, RegistryError: The registry refused or failed.
    """

    def __init__(self, endpoint: Endpoint, descriptor: Descriptor, control: Control) -> None:
        doing = f"read the blob {descriptor.digest} of {endpoint.name}"

        def open_at(offset: int) -> Response:
            request = Request(
                endpoint.access(PULL),
                "GET",
                endpoint.url(f"blobs/{descriptor.digest}"),
                doing,
                expect=(200, 206) if offset else (200,),
                headers={"Range": f"bytes={offset}-"} if offset else {},
            )
            try:
                return endpoint.transport.open(request, control)
            except NotFoundError as error:
                raise NotFoundError(f"{endpoint.name} has no blob {descriptor.digest}") from error

        super().__init__(open_at, descriptor.size, doing, endpoint.registry, endpoint.transport.options, control)

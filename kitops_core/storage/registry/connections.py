"""Connections that are kept from one request to the next, and that the cancel switch ends wherever they are.

A silent server holds whoever waits for it for as long as the timeout: finding a host, connecting, sending, or waiting.
So each connection knows the operation that uses it, and its socket is shut down when that is cancelled.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from kitops_core.events import Control
from kitops_core.storage.registry.addresses import addresses_of
from kitops_core.storage.registry.http_head import (
    MOST_HEAD_BYTES,
    BadAnswerError,
    Head,
    Server,
    read_head,
    request_head,
)
from kitops_core.storage.registry.http_response import Response

if TYPE_CHECKING:
    import ssl

_RECEIVE_BYTES = 64 * 1024
_MOST_INTERIM = 20
"""How many heads may come that only say that the answer is still to come."""
_ENDS_OF_HEAD = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
_TOGETHER_BYTES = 64 * 1024
"""A body up to this size goes with its head: one call, one packet."""

Body = bytes | Iterable[memoryview]


class ProxyError(Exception):
    """The proxy cannot be reached, or will not connect us.

    Attributes:
        status: What it answered; 0 where it did not.
    """

    def __init__(self, problem: str, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


class Proxy(NamedTuple):
    """What stands between us and all servers.

    Attributes:
        server: Where it is.
        authorization: The field that says who we are to it; empty for none.
        tls: How to talk to it where its scheme is ``https``.
    """

    server: Server
    authorization: str
    tls: ssl.SSLContext | None


class Route(NamedTuple):
    """How a server is reached: connections of one route serve each other's requests.

    Attributes:
        server: The server.
        tls: How to talk to it where its scheme is ``https``.
        proxy: The proxy to go through, if any.
    """

    server: Server
    tls: ssl.SSLContext | None
    proxy: Proxy | None


class Timeouts(NamedTuple):
    """Seconds to wait: for a connection, for a server to take more of a body, and for more of its answer."""

    connect: float
    send: float
    receive: float


class Connections:
    """The connections of one client; safe to use from several threads."""

    def __init__(self) -> None:
        self._all: WeakValueDictionary[int, Connection] = WeakValueDictionary()

    def add(self, connection: Connection) -> None:
        """Remember one, for as long as it is there."""
        self._all[id(connection)] = connection

    def stop_cancelled(self) -> None:
        """Shut down those whose operation was cancelled; may be called by a signal handler."""
        for found in self._all.valuerefs():
            connection = found()
            if connection is not None and connection.user is not None and connection.user.cancelled:
                connection.shut_down()


class Connection:
    """One connection, for one request at a time.

    Args:
        route: Where it leads.
        keep: Called with the connection when it can be used again.

    Attributes:
        user: The operation whose request it carries.
    """

    def __init__(self, route: Route, keep: Callable[[Connection], None]) -> None:
        self.user: Control | None = None
        self._route = route
        self._keep = keep
        self._socket: Any = None  # TLS within the TLS of a proxy is no socket itself
        self._wire: socket.socket | None = None
        self._timeout = 0.0
        self._ahead = bytearray()  # what came with a head, or with a line

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: Body | None, timeouts: Timeouts, user: Control
    ) -> Response:
        """Send a request and read the head of its answer.

        A server may answer, and hang up, before it has taken all of the body.

        Args:
            method: The method.
            target: Path and query.
            headers: All fields but those that say for whom the request is.
            body: The body; pieces where it is long, whose length or that they are chunks the fields say.
            timeouts: How long to wait.
            user: What stops it.

        Raises:
            OSError, BadAnswerError, ProxyError: No answer came.
            InvalidInputError: A field cannot be sent.
            CancelledError: The switch was flipped.
        """
        server, proxy = self._route.server, self._route.proxy
        fields = {"Host": server.name, **headers}
        if proxy is not None and server.scheme == "http":
            target = f"http://{server.name}{target}"
            if proxy.authorization:
                fields["Proxy-Authorization"] = proxy.authorization
        head = request_head(method, target, fields)
        self.user = user
        user.check()  # a switch that is flipped from here on finds this connection
        unsent: OSError | None = None
        try:
            if self._socket is None:
                self._connect(timeouts)
            self._wait_at_most(timeouts.send)
            unsent = self._send(head, body, chunked="Transfer-Encoding" in headers)
            was_used = user.use_the_wait()
            sent = time.monotonic()
            self._wait_at_most(timeouts.receive)
            answer = self._read_head()
            if not was_used:
                user.lanes.answered(time.monotonic() - sent)
            return Response(method, answer, self, reusable=unsent is None)
        except BaseException as error:
            self.close()
            if unsent is not None and isinstance(error, OSError | BadAnswerError):
                raise unsent from error
            raise

    def is_usable(self) -> bool:
        """Whether an idle connection is still open: whatever can be read from it now is its end, or asked by nobody."""
        wire = self._wire
        if wire is None or self._ahead or self._pending():
            return False
        poll = select.poll()
        poll.register(wire, select.POLLIN)
        return not poll.poll(0)

    def _pending(self) -> int:
        """How many bytes TLS has read from the socket that nobody has asked for."""
        return int(self._socket.pending()) if hasattr(self._socket, "pending") else 0

    def give_back(self) -> None:
        """Let another request use it."""
        self.user = None  # who is done with it and cancelled then leaves it to others
        self._keep(self)

    def close(self) -> None:
        """End it."""
        self.user = None
        self._ahead.clear()
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def shut_down(self) -> None:
        """Wake whoever waits for it; its owner then finds it ended by the other side."""
        wire = self._wire
        if wire is not None:
            # Not the method of a TLS socket, which lets go of its TLS: what comes next would be read as plain bytes.
            with suppress(OSError):
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) a buffer; 0 where the connection has ended."""
        ahead = self._ahead
        if ahead:
            count = min(len(ahead), len(buffer))
            buffer[:count] = ahead[:count]
            del ahead[:count]
            return count
        return int(self._socket.recv_into(buffer))

    def readline(self, most: int) -> bytes:
        """A line without its end.

        Raises:
            BadAnswerError: It is longer than ``most`` bytes.
            OSError: The connection ended before.
        """
        ahead = self._ahead
        while (end := ahead.find(b"\n")) < 0:
            if len(ahead) > most:
                raise BadAnswerError("the server's answer has a line without an end")
            self._receive()
        line = bytes(ahead[:end]).removesuffix(b"\r")
        del ahead[: end + 1]
        return line

    def _send(self, head: bytes, body: Body | None, *, chunked: bool) -> OSError | None:
        """Send all of a request; the error where the server did not take it, and may say why."""
        sock = self._socket
        try:
            if body is None or (isinstance(body, bytes) and len(body) <= _TOGETHER_BYTES):
                sock.sendall(head + body if body else head)
                return None
            sock.sendall(head)
            for piece in (body,) if isinstance(body, bytes) else body:
                if chunked and len(piece):
                    sock.sendall(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")))
                else:
                    sock.sendall(piece)
            if chunked:
                sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            return error
        return None

    def _read_head(self) -> Head:
        for _ in range(_MOST_INTERIM):
            head = read_head(self._raw_head())
            if head.status >= 200:
                return head
            if head.status == 101:
                break
        raise BadAnswerError("the server's answer does not come to its point")

    def _raw_head(self) -> bytes:
        ahead, seen = self._ahead, 0
        while True:
            if not seen and ahead.startswith((b"\r", b"\n")):  # what an old server sent after the body before
                del ahead[:1]
                continue
            found = [(place, end) for end in _ENDS_OF_HEAD if (place := ahead.find(end, max(0, seen - 3))) >= 0]
            if found:
                place, end = min(found)
                raw = bytes(ahead[:place])
                del ahead[: place + len(end)]
                return raw
            seen = len(ahead)
            if seen > MOST_HEAD_BYTES:
                raise BadAnswerError("the head of the server's answer has no end")
            self._receive()

    def _receive(self) -> None:
        piece = self._socket.recv(_RECEIVE_BYTES)
        if not piece:
            raise ConnectionError("the connection ended where an answer was to come")
        self._ahead += piece

    def _wait_at_most(self, seconds: float) -> None:
        if seconds != self._timeout:
            self._socket.settimeout(seconds)
            self._timeout = seconds

    def _connect(self, timeouts: Timeouts) -> None:
        """Open the connection, through a proxy where there is one, and with TLS where that is asked for."""
        server, tls, proxy = self._route
        self._timeout = timeouts.connect
        if proxy is None:
            self._dial(server, timeouts.connect)
        else:
            try:
                self._dial(proxy.server, timeouts.connect)
                if proxy.tls is not None:
                    self._wrap(proxy.tls, proxy.server.host)
            except OSError as error:
                raise ProxyError("the proxy cannot be reached") from error
            if tls is not None:
                self._tunnel(server, proxy.authorization)
        if tls is not None:
            self._wrap(tls, server.host, within_tls=proxy is not None and proxy.tls is not None)

    def _dial(self, server: Server, timeout: float) -> None:
        failed: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in addresses_of(server.host, server.port, self.user):
            try:
                self._socket = self._wire = sock = socket.socket(family, kind, protocol)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(timeout)
                self._check()
                sock.connect(address)
                self._check()  # a switch that was flipped before there was a connection found none to end
                return
            except OSError as error:
                self._check()
                failed = error
                self._drop()
        raise failed

    def _wrap(self, context: ssl.SSLContext, host: str, *, within_tls: bool = False) -> None:
        """Shake hands; the socket is ours before that, so that a switch can end it."""
        name = host.rstrip(".").partition("%")[0]  # the zone of an address is ours, not the server's
        try:
            if within_tls:
                from urllib3.util.ssltransport import SSLTransport  # few need it

                self._socket = SSLTransport(self._socket, context, name)
                return
            wrapped = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        except ValueError as error:
            raise ConnectionError(f"TLS knows no such name: {error}") from None
        self._socket = self._wire = wrapped
        self._check()
        wrapped.do_handshake()

    def _tunnel(self, server: Server, authorization: str) -> None:
        fields = {"Host": server.address}
        if authorization:
            fields["Proxy-Authorization"] = authorization
        self._socket.sendall(request_head("CONNECT", server.address, fields))
        status = self._read_head().status
        if not 200 <= status < 300:
            raise ProxyError(f"the proxy answered {status}", status)
        self._ahead.clear()

    def _drop(self) -> None:
        for found in (self._socket, self._wire):
            if found is not None:
                with suppress(OSError):
                    found.close()
        self._socket = self._wire = None

    def _check(self) -> None:
        if self.user is not None:
            self.user.check()

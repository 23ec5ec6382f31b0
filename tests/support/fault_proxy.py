"""Fakes that make faults: a reverse proxy before a real registry that misbehaves on request, and a forward proxy.

What no fault is set for goes to the real registry and back unchanged.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: http.client.HTTPMessage
    body: bytes = b""
    begun: float = field(default_factory=time.monotonic)
    ended: float = float("inf")


@dataclass
class Reply:
    """What goes back to the client; a fault may change it on the way."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """Send only so many bytes of the body, then break the connection."""
    rate: float = 0.0
    """Send so many bytes of the body each second, as a link with a limit for each connection does."""


class Drop(Exception):  # noqa: N818 - not an error, what a fault wants
    """Raised by a fault: break the connection now, without an answer."""


Fault = Callable[["Handler", Seen], "Reply | None"]
"""Answers a request itself, returns ``None`` to pass it on, or raises :class:`Drop`."""


def answer(status: int, body: bytes = b"", *, read: bool = True, **headers: str) -> Fault:
    """Answer without asking the registry; ``read=False`` answers before the request's body was read, and hangs up."""

    def fault(handler: Handler, seen: Seen) -> Reply:
        if read:
            seen.body = handler.read_body()
        else:
            handler.close_connection = True
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status, {"Content-Length": str(len(body)), **named}, body)

    return fault


def drop(after: int = 0) -> Fault:
    """Break the connection after ``after`` bytes of the request's body."""

    def fault(handler: Handler, seen: Seen) -> Reply | None:
        left = after
        while left > 0 and (piece := handler.rfile.read(min(left, 65536))):
            left -= len(piece)
        raise Drop

    return fault


def lose_answer() -> Fault:
    """Let the registry do what was asked, and break the connection instead of saying so."""

    def fault(handler: Handler, seen: Seen) -> Reply:
        handler.forward(seen)
        raise Drop

    return fault


def delay(seconds: float) -> Fault:
    """Wait before passing the request on."""

    def fault(handler: Handler, seen: Seen) -> None:
        time.sleep(seconds)

    return fault


def change(edit: Callable[[Reply], None]) -> Fault:
    """Pass the request on and change the reply."""

    def fault(handler: Handler, seen: Seen) -> Reply:
        reply = handler.forward(seen)
        edit(reply)
        return reply

    return fault


def cut(size: int) -> Fault:
    """Break the connection after ``size`` bytes of the answer's body."""
    return change(lambda reply: setattr(reply, "cut", size))


def corrupt(offset: int = 0) -> Fault:
    """Alter one byte of the answer's body."""

    def edit(reply: Reply) -> None:
        body = bytearray(reply.body)
        body[offset] ^= 0xFF
        reply.body = bytes(body)

    return change(edit)


class Link:
    """A link with a limit for each connection, as a fault for every request: blobs come at ``rate`` bytes a second.

    ``faults`` are for the parts of blobs that are asked for, one after the other.
    """

    def __init__(self, *faults: Fault | None, rate: float = 20e6) -> None:
        self._faults = [*faults]
        self._rate = rate
        self._lock = threading.Lock()

    def __call__(self, handler: Handler, seen: Seen) -> Reply | None:
        if seen.method != "GET" or "/blobs/" not in seen.path:
            return None
        with self._lock:
            fault = self._faults.pop(0) if self._faults and "Range" in seen.headers else None
        reply = (fault(handler, seen) if fault is not None else None) or handler.forward(seen)
        reply.rate = self._rate
        return reply


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: FaultProxy  # type: ignore[assignment]

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = bytearray()
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return bytes(body)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def forward(self, seen: Seen) -> Reply:
        seen.body = self.read_body()
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        with contextlib.closing(upstream):
            upstream.putrequest(seen.method, seen.path, skip_host=True, skip_accept_encoding=True)
            for name, value in seen.headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    upstream.putheader(name, value)
            if seen.body or seen.method in ("PUT", "POST", "PATCH"):
                upstream.putheader("Content-Length", str(len(seen.body)))
            upstream.endheaders(seen.body or None)
            response = upstream.getresponse()
            hop = ("connection", "transfer-encoding")  # a body that came in chunks is sent on whole
            headers = {name: value for name, value in response.getheaders() if name.lower() not in hop}
            body = response.read()
            if response.getheader("Transfer-Encoding"):
                headers["Content-Length"] = str(len(body))
            return Reply(response.status, headers, body)

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            seen = Seen(self.command, self.path, self.headers)
            with self.server.lock:
                self.server.seen.append(seen)
            fault = self.server.fault_for(seen)
            reply = fault(self, seen) if fault is not None else None
            self._reply(reply or self.forward(seen))
            seen.ended = time.monotonic()
        except Drop:
            self._break()
        except OSError:
            self.close_connection = True

    def _reply(self, reply: Reply) -> None:
        lines = [f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if self.close_connection:
            lines.append("Connection: close")
        body = reply.body[: reply.cut] if self.command != "HEAD" else b""
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if reply.rate:
            self.wfile.write(head)
            for at in range(0, len(body), 65536):
                time.sleep(65536 / reply.rate)
                self.wfile.write(body[at : at + 65536])
        else:
            self.wfile.write(head + body)  # at once: Nagle would wait in between
        self.wfile.flush()
        if reply.cut is not None:
            self.close_connection = True

    def _break(self) -> None:
        """A reset, as from a crashed host."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class FaultProxy(ThreadingHTTPServer):
    """A reverse proxy before a registry; ``seen`` has every request in order, and ``every`` is asked about each."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_port = True

    def __init__(self, upstream: str, port: int = 0) -> None:
        self.upstream = upstream
        self.every: Fault | None = None
        self.lock = threading.Lock()
        self.seen: list[Seen] = []
        self._faults: list[tuple[str, re.Pattern[str], Fault, int]] = []
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def fault(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        """Misbehave at the next ``times`` requests of this method whose path has ``path`` (a pattern) in it."""
        with self.lock:
            self._faults.append((method, re.compile(path), fault, times))

    def ask_for_password(self) -> list[str]:
        """Answer 401 to all that asks for something; what each request told of credentials is added to the list."""
        told: list[str] = []

        def asks(handler: Handler, seen: Seen) -> Reply:
            told.append(handler.headers.get("Authorization", ""))
            return Reply(401, {"WWW-Authenticate": 'Basic realm="elsewhere"'}, b"")

        for method in ("GET", "HEAD", "POST", "PUT"):
            self.fault(method, ".*", asks, times=100)
        return told

    def fault_for(self, seen: Seen) -> Fault | None:
        """The first fault set for a request, if any is left."""
        if self.every is not None:
            return self.every
        with self.lock:
            for index, (method, path, fault, times) in enumerate(self._faults):
                if method == seen.method and path.search(seen.path) and times:
                    self._faults[index] = (method, path, fault, times - 1)
                    return fault
        return None

    def count(self, method: str, path: str = "") -> int:
        """How many requests of this method came for a path with ``path`` (a pattern) in it."""
        with self.lock:
            return sum(seen.method == method and re.search(path, seen.path) is not None for seen in self.seen)

    def parts(self) -> list[str]:
        """The parts of blobs that were asked for."""
        with self.lock:
            return [seen.headers["Range"] for seen in self.seen if seen.method == "GET" and "Range" in seen.headers]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what this is for."""


@contextlib.contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a fault proxy until the block ends."""
    with FaultProxy(upstream) as server, _running(server):
        yield server


@contextlib.contextmanager
def late_proxy(upstream: str, seconds: float) -> Iterator[str]:
    """A proxy that refuses connections for a while, as a server that restarts; its ``host:port``."""
    with socket.socket() as holder:  # bound, not listening: nobody else gets the port, and connections are refused
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
        stop = threading.Event()

        def serve() -> None:
            if not stop.wait(seconds):
                with FaultProxy(upstream, port) as server, _running(server):
                    stop.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            stop.set()
            thread.join()


class ForwardProxy(ThreadingHTTPServer):
    """A forward proxy: CONNECT tunnels and absolute URLs; ``seen`` has the target of each request."""

    daemon_threads = True

    def __init__(self, hosts: Mapping[str, str] | None = None, credentials: str = "") -> None:
        self.hosts = dict(hosts or {})
        self.wanted = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else ""
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), _ForwardHandler)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


@contextlib.contextmanager
def forward_proxy(hosts: Mapping[str, str] | None = None, credentials: str = "") -> Iterator[ForwardProxy]:
    """Run a forward proxy until the block ends.

    Args:
        hosts: Where to find hosts that only this proxy knows: name to ``address:port``.
        credentials: ``user:password`` it wants to see.
    """
    with ForwardProxy(hosts, credentials) as server, _running(server):
        yield server


class _ForwardHandler(Handler):
    server: ForwardProxy  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            target = self.path if self.command == "CONNECT" else urlsplit(self.path).netloc
            self.server.seen.append(f"{self.command} {target}")
            if self.server.wanted and self.headers.get("Proxy-Authorization") != self.server.wanted:
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif self.command == "CONNECT":
                self._tunnel(self.server.hosts.get(target, target))
            else:
                self._forward_to(self.server.hosts.get(target, target))
        except OSError:
            self.close_connection = True

    def _tunnel(self, target: str) -> None:
        self.close_connection = True
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, self.connection))
            back.start()
            _pump(self.connection, upstream)
            back.join()

    def _forward_to(self, target: str) -> None:
        parts = urlsplit(self.path)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.server.upstream = target  # type: ignore[attr-defined]
        self._reply(self.forward(Seen(self.command, path, self.headers)))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()

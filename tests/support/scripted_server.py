"""A server that says byte for byte what a test wants: for what no real registry can be made to say."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Say(NamedTuple):
    """What a request gets.

    Attributes:
        data: The bytes, in pieces that are sent one by one.
        after: How much of the request is read first: ``all``, or only its ``head``.
        end: Whether the connection ends then.
    """

    data: tuple[bytes, ...]
    after: str = "all"
    end: bool = False


def say(*data: bytes, after: str = "all", end: bool = False) -> Say:
    """What a request gets; see :class:`Say`."""
    return Say(data, after, end)


class ScriptedServer:
    """Gives each request what comes next in its script, whichever connection it comes by.

    Attributes:
        address: ``127.0.0.1:port``.
        requests: The requests that came, as bytes.
        connections: How many connections came.
    """

    def __init__(self, script: tuple[Say, ...], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = [*script]
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closed = False
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._closed = True
            for sock in (*self._open, self._server):
                sock.close()

    def _keep(self, sock: socket.socket) -> None:
        """Have a connection closed at the end; at once where that has been."""
        with self._lock:
            self._open.append(sock)
            if self._closed:
                sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self.connections += 1
                self._keep(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._keep(sock)
            data = b""
            while self._script:
                while b"\r\n\r\n" not in data:
                    if not (piece := sock.recv(65536)):
                        return
                    data += piece
                size = data.index(b"\r\n\r\n") + 4
                length = _LENGTH.search(data[:size])
                if self._script[0].after == "all":
                    size += int(length[1]) if length else 0
                    while len(data) < size:
                        if not (piece := sock.recv(65536)):
                            return
                        data += piece
                what = self._script.pop(0)
                self.requests.append(data[:size])
                data = data[size:]
                for piece in what.data:
                    sock.sendall(piece)
                if what.end:
                    sock.shutdown(socket.SHUT_WR)
                    return


@contextmanager
def scripted_server(*script: Say, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Serve until the block ends."""
    server = ScriptedServer(script, tls)
    try:
        yield server
    finally:
        server.close()

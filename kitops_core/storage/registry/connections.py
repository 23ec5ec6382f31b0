"""Connections that the cancel switch ends wherever they are: finding a host, connecting, sending, or waiting.

urllib3 is not told of the switch, and a silent server would hold it for as long as the timeout. So each connection
knows the operation that uses it, and its socket is shut down when that is cancelled, which wakes whoever waits for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import allowed_gai_family

from kitops_core.events import Control

_POLL_SECONDS = 0.05
_user: ContextVar[Control | None] = ContextVar("user", default=None)

T = TypeVar("T")


@contextmanager
def used_by(control: Control) -> Iterator[None]:
    """Inside the block, requests belong to an operation, and end when it is cancelled."""
    token = _user.set(control)
    try:
        yield
    finally:
        _user.reset(token)


class Connections:
    """The connections of one client; safe to use from several threads."""

    def __init__(self) -> None:
        self._all: WeakValueDictionary[int, _Connection] = WeakValueDictionary()

    def stop_cancelled(self) -> None:
        """Shut down those whose operation was cancelled; may be called by a signal handler."""
        for found in self._all.valuerefs():
            connection = found()
            if connection is not None and connection.user is not None and connection.user.cancelled:
                connection.shut_down()

    def pool_classes(self, timeout: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
        """Pools of such connections, by scheme.

        Args:
            timeout: Seconds to wait for a server to take more of a body. urllib3 sends bodies under the timeout for
                connecting, and a registry that flushes to slow storage pauses longer.
        """
        everything = self._all

        class Plain(_Connection, HTTPConnection):
            known, timeout_for_body = everything, timeout

        class Tls(_Connection, HTTPSConnection):
            known, timeout_for_body = everything, timeout

        class PlainPool(_Pool, urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(_Pool, urllib3.HTTPSConnectionPool):
            ConnectionCls = Tls

        return {"http": PlainPool, "https": TlsPool}


class _Pool(urllib3.HTTPConnectionPool):
    """What both kinds of pool do beyond urllib3's."""

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, _Connection):
            conn.user = None  # who is done with it and cancelled then leaves it to others
        super()._put_conn(conn)


class _Connection(HTTPConnection):
    """What both kinds of connection do beyond urllib3's.

    Attributes:
        user: The operation whose request it carries.
    """

    known: WeakValueDictionary[int, _Connection]
    timeout_for_body: float
    user: Control | None = None
    _wire: socket.socket | None = None
    _handle: socket.socket | None = None

    def shut_down(self) -> None:
        """Wake whoever waits for the socket; its owner then finds it closed by the other side."""
        for found in (self._handle, self._wire):
            # Not the method of a TLS socket, which lets go of its TLS: what comes next would be read as plain bytes.
            if found is not None:
                with suppress(OSError):
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    def connect(self) -> None:
        self._use()
        try:
            super().connect()
            sock: Any = self.sock
            self._wire = getattr(sock, "socket", sock)  # TLS in TLS, through a proxy, is no socket itself
        finally:
            self._let_go()

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        self._use()
        super().endheaders(message_body, encode_chunked=encode_chunked)
        self.sock.settimeout(self.timeout_for_body)

    def _use(self) -> None:
        self.user = _user.get()
        self.known[id(self)] = self
        self._check()  # a switch that is flipped from here on finds this connection

    def _new_conn(self) -> socket.socket:
        failed: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in _addresses(self._dns_host, self.port, self.user):
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(self.timeout)
                # TLS takes the socket over before it shakes hands; a second handle of it stays ours meanwhile.
                self._handle = sock.dup()
                self._check()
                sock.connect(address)
                return sock
            except BaseException as error:
                sock.close()
                self._let_go()
                self._check()
                if not isinstance(error, OSError):
                    raise
                failed = error
        raise failed

    def _check(self) -> None:
        if self.user is not None:
            self.user.check()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


def _addresses(host: str, port: int, user: Control | None) -> list[tuple[Any, ...]]:
    """The addresses of a host. The resolver can take many seconds and cannot be told to stop: it is left alone then."""

    def ask() -> list[tuple[Any, ...]]:
        return list(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))

    try:
        with suppress(socket.gaierror):
            # As bytes: for a text Python would import its tables of international names first.
            number = host.encode("ascii", "replace")
            return list(socket.getaddrinfo(number, port, 0, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
        return ask() if user is None else until_cancelled(ask, user)
    except UnicodeError:  # a part between two dots that is empty, or longer than 63 letters
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from None


def until_cancelled(work: Callable[[], T], control: Control, seconds: float | None = None) -> T:
    """What ``work`` returns or raises; it is left to itself, in a thread, when the switch is flipped.

    Args:
        work: What cannot be told to stop.
        control: The switch.
        seconds: How long to wait for it; ``None`` for as long as it takes.

    Raises:
        CancelledError: The switch was flipped.
        TimeoutError: It took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="kitops-left", daemon=True)
    thread.start()
    rounds = None if seconds is None else int(seconds / _POLL_SECONDS) + 1
    while True:
        thread.join(_POLL_SECONDS)
        if not thread.is_alive():
            break
        control.check()
        if rounds is not None and (rounds := rounds - 1) <= 0:
            raise TimeoutError
    if errors:
        raise errors[0]
    return results[0]

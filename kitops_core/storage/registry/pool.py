"""Connections kept for the next request, opened with our timeouts, certificates and proxies."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.lanes import MOST_LANES
from kitops_core.storage.registry.connections import Body, Connection, Connections, Proxy, Route, Timeouts
from kitops_core.storage.registry.http_head import Server, split_url
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.redact import redact_url

if TYPE_CHECKING:
    import ssl

_MOST_KEPT = 2 * MOST_LANES  # a copy reads and writes


class Pools:
    """The connections of one client, made when first needed; safe to use from several threads.

    Attributes:
        connections: Every connection there is.
    """

    def __init__(self, options: RegistryOptions) -> None:
        self.connections = Connections()
        self._options = options
        self._lock = threading.Lock()
        self._kept: dict[tuple[Server, str], _Kept] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._any_proxy = bool(options.proxy) or any(name.lower().endswith("_proxy") for name in os.environ)

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Body | None,
        timeouts: Timeouts,
        control: Control,
    ) -> Response:
        """Send one request as it is, by a connection that was kept or by a new one.

        Raises:
            InvalidInputError: A certificate file, the proxy's URL or a header cannot be used.
            OSError, BadAnswerError, ProxyError: No answer came.
            CancelledError: The switch was flipped.
        """
        server, target = split_url(url)
        proxy = self._proxy(server, url) if self._any_proxy else ""
        kept = self._kept.get((server, proxy)) or self._begin(server, proxy)
        connection = kept.take()
        if connection is None:
            connection = Connection(kept.route, kept.keep)
            self.connections.add(connection)
        return connection.ask(method, target, headers, body, timeouts, control)

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            found = [*self._kept.values()]
            self._kept.clear()
        for kept in found:
            kept.close()

    def _begin(self, server: Server, proxy: str) -> _Kept:
        with self._lock:
            if (server, proxy) not in self._kept:
                # Only for https: reading the system's certificates takes a while.
                tls = self._context(client=True) if server.scheme == "https" else None
                route = Route(server, tls, self._read_proxy(proxy) if proxy else None)
                self._kept[server, proxy] = _Kept(route)
            return self._kept[server, proxy]

    def _context(self, *, client: bool) -> ssl.SSLContext:
        """How to talk TLS; to a server with our certificate, to a proxy without it."""
        if client not in self._contexts:
            from kitops_core.storage.registry.tls import tls_context

            self._contexts[client] = tls_context(self._options, client=client)
        return self._contexts[client]

    def _read_proxy(self, url: str) -> Proxy:
        from base64 import b64encode

        try:
            server, _ = split_url(url)
        except InvalidInputError:
            raise InvalidInputError(
                f"the proxy '{redact_url(url)}' is not a URL that can be used", hint="write http://host:port"
            ) from None
        user = unquote(urlsplit(url).netloc.rpartition("@")[0])
        authorization = f"Basic {b64encode(user.encode()).decode()}" if user else ""
        return Proxy(server, authorization, self._context(client=False) if server.scheme == "https" else None)

    def _proxy(self, server: Server, url: str) -> str:
        if self._options.proxy:
            return self._options.proxy
        from urllib.request import getproxies_environment, proxy_bypass

        proxies = getproxies_environment()
        proxy = proxies.get(server.scheme) or proxies.get("all") or ""
        if not proxy or proxy_bypass(urlsplit(url).netloc):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"


class _Kept:
    """The idle connections of one route."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._idle: deque[Connection] = deque()
        self._closed = False

    def take(self) -> Connection | None:
        """One that can be used, the last used first."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_usable():
                return connection
            connection.close()

    def keep(self, connection: Connection) -> None:
        """Have one for the next request."""
        if self._closed or len(self._idle) >= _MOST_KEPT:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close those that are idle, and the others when they become so."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

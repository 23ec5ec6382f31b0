"""Connections: urllib3 pools with our timeouts, certificates and proxies."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from kitops_core.errors import InvalidInputError
from kitops_core.lanes import MOST_LANES
from kitops_core.storage.registry.connections import Connections
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.redact import SignedUrlFilter, redact_url

_CONNECTIONS = 2 * MOST_LANES  # a copy reads and writes
logging.getLogger("urllib3.connectionpool").addFilter(SignedUrlFilter())


class Pools:
    """The connection pools of one client, made when first needed; safe to use from several threads.

    Attributes:
        connections: Every connection there is.
    """

    def __init__(self, options: RegistryOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}
        self.connections = Connections()
        self._any_proxy = bool(options.proxy) or any(name.lower().endswith("_proxy") for name in os.environ)

    def manager(self, url: str) -> urllib3.PoolManager:
        """The pool manager for a URL.

        Raises:
            InvalidInputError: A certificate file or the proxy's URL cannot be used.
        """
        scheme, proxy = urlsplit(url).scheme, self._proxy(url) if self._any_proxy else ""
        with self._lock:
            manager = self._managers.get((scheme, proxy))
            if manager is None:
                manager = self._managers[scheme, proxy] = self._make(scheme, proxy)
            return manager

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()

    def _make(self, scheme: str, proxy: str) -> urllib3.PoolManager:
        # ssl_context is only made for https: reading the system's certificates takes a while.
        settings: dict[str, Any] = {"maxsize": _CONNECTIONS}
        if scheme == "https":
            settings["ssl_context"] = _tls_context(self._options)
            if not self._options.tls_verify:  # asked for, so no need to say so on stderr with every process
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        manager: urllib3.PoolManager
        if proxy:
            try:
                user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
                headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
                manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)
            except (urllib3.exceptions.HTTPError, ValueError):
                raise InvalidInputError(
                    f"the proxy '{redact_url(proxy)}' is not a URL that can be used", hint="write http://host:port"
                ) from None
        else:
            manager = urllib3.PoolManager(**settings)
        manager.pool_classes_by_scheme = self.connections.pool_classes(self._options.timeout)
        return manager

    def _proxy(self, url: str) -> str:
        if self._options.proxy:
            return self._options.proxy
        from urllib.request import getproxies_environment, proxy_bypass

        parts = urlsplit(url)
        proxies = getproxies_environment()
        proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
        if not proxy or proxy_bypass(parts.netloc):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"


def _tls_context(options: RegistryOptions) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if options.ca_file:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidInputError(f"the CA file '{options.ca_file}' cannot be used: {_reason(error)}") from None
    if options.client_cert:
        try:
            context.load_cert_chain(options.client_cert, options.tls_key)
        except (OSError, ssl.SSLError) as error:
            files = f"'{options.client_cert}'" + (f" with key '{options.tls_key}'" if options.tls_key else "")
            raise InvalidInputError(f"the client certificate {files} cannot be used: {_reason(error)}") from None
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it is not valid PEM, or the key does not belong to the certificate"
    return os.strerror(error.errno) if error.errno else str(error)

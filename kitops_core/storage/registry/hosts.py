"""Which URL a registry is reached at, and which other URLs it may send us to."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from kitops_core.errors import RegistryError
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.redact import redact_url

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DOCKER_HUB_API = "registry-1.docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def base_url(registry: str, options: RegistryOptions) -> str:
    """Scheme and authority of the registry's API, without a slash at the end."""
    host = _DOCKER_HUB_API if registry in _DOCKER_HUB else registry
    plain = options.plain_http
    if plain is None:
        plain = is_loopback(host) and not (options.ca_file or options.client_cert)
    return f"{'http' if plain else 'https'}://{host}"


def api_repository(registry: str, repository: str) -> str:
    """The repository's name in the API: Docker Hub keeps names without a slash below ``library``."""
    return f"library/{repository}" if registry in _DOCKER_HUB and "/" not in repository else repository


def credential_keys(registry: str) -> tuple[str, ...]:
    """The names a registry's credentials may stand under in a credential file; the first is the one to write."""
    return (_DOCKER_HUB_KEY, *_DOCKER_HUB) if registry in _DOCKER_HUB else (registry,)


@lru_cache(maxsize=256)  # asked with every request
def is_loopback(host: str) -> bool:
    """Whether ``host``, with or without a port, is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL; a default port equals none, which some registries leave out."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def follow(url: str, location: str) -> str:
    """The absolute URL that a ``Location`` or ``Link`` in the answer from ``url`` means.

    A registry behind a proxy that ends TLS may name itself with ``http``: that is read as ``https``. Otherwise
    nobody is sent from TLS to plain HTTP, nor from a public host to an address of the inner network.

    Raises:
        RegistryError: The location is not one to follow.
    """
    end = url.find("/", len("https://"))
    if end > 0 and location.startswith(url[: end + 1]) and location.isprintable() and "#" not in location:
        return location  # the same host, asked in the same way, as in most answers
    refused = f"{urlsplit(url).netloc} sends us to a place we do not go to: '{redact_url(location)}'"
    try:
        target = urlsplit(urljoin(url, location))
        start = urlsplit(url)
        host, port = target.hostname, target.port
    except ValueError:
        raise RegistryError(refused) from None
    if target.scheme not in _DEFAULT_PORTS or not host or target.username is not None:
        raise RegistryError(refused)
    if host == start.hostname:
        if (start.scheme, target.scheme) == ("https", "http") and port in (None, 80, start.port):
            target = target._replace(scheme="https", netloc=start.netloc)
    elif _is_inner(host) and not _is_inner(start.hostname or ""):
        raise RegistryError(refused, hint="it is an address of an inner network, given by a host outside of it")
    if start.scheme == "https" and target.scheme == "http":
        raise RegistryError(refused, hint="it would leave TLS; set the registry's external URL to https")
    return urlunsplit(SplitResult(target.scheme, target.netloc, target.path, target.query, ""))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_inner(name: str) -> bool:
    address = _address(name)
    if address is None:
        return is_loopback(name)
    return address.is_private or address.is_loopback or address.is_link_local

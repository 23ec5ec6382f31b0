"""Which registry is talked to how: credentials, certificates, proxies and patience, by host."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kitops_core.errors import InvalidInputError
from kitops_core.storage.registry.hosts import credential_keys
from kitops_core.storage.registry.options import RegistryOptions


class Registries:
    """How to talk to each registry. Credentials are given for a host, and no other host is ever sent them.

    A host that is not named is talked to as ``others`` says, with what credential files and helpers have for it.

    Args:
        hosts: Options by host and port: ``{"registry.example.com": RegistryOptions(username=..., password=...)}``.
        others: Options for every other host; they hold no credentials.

    Attributes:
        others: Options for every host that is not named.

    Raises:
        InvalidInputError: ``others`` holds credentials, or a host is none.

    Example:
        >>> registries = Registries({"registry.example.com": RegistryOptions(username="ci", password="secret")})
        >>> registries.options("registry.example.com").username, registries.options("other.example.com").username
        ('ci', '')
    """

    def __init__(
        self, hosts: Mapping[str, RegistryOptions] = MappingProxyType({}), *, others: RegistryOptions | None = None
    ) -> None:
        self.others = others or RegistryOptions()
        if self.others.has_credentials:
            raise InvalidInputError(
                "credentials are given for no registry in particular, and so would go to any",
                hint="name their host: Registries({'registry.example.com': RegistryOptions(...)})",
            )
        for host in hosts:
            if not host or "/" in host:
                raise InvalidInputError(f"'{host}' is not a registry's host", hint="write registry.example.com:5000")
        self._hosts = {_canonical(host): options for host, options in hosts.items()}

    def options(self, host: str) -> RegistryOptions:
        """How to talk to the registry at ``host``, its name with its port."""
        return self._hosts.get(_canonical(host), self.others)

    def __repr__(self) -> str:
        return f"Registries({sorted(self._hosts)}, others={self.others!r})"


def _canonical(host: str) -> str:
    """One name for the names that a registry's host can be written with."""
    return credential_keys(host.lower())[0]

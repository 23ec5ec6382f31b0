"""One client for all repositories that are opened with equal options: connections, tokens, what was learned."""

from __future__ import annotations

import os
import threading

from kitops_core.errors import NotFoundError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.registry.auth import Access
from kitops_core.storage.registry.hosts import base_url
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.transport import Request, Transport

_open: dict[tuple[int, RegistryOptions], RegistryClient] = {}
_lock = threading.Lock()


class RegistryClient:
    """Connections and tokens for one set of options; got with :meth:`open`, given back with :meth:`release`.

    Attributes:
        options: How to talk to registries.
        transport: What sends the requests.
    """

    def __init__(self, options: RegistryOptions) -> None:
        self.options = options
        self.transport = Transport(options)
        self._users = 0
        self._key = (os.getpid(), options)  # a forked child must not share its parent's connections

    @staticmethod
    def open(options: RegistryOptions) -> RegistryClient:
        """The client for these options, made if there is none in this process."""
        with _lock:
            key = (os.getpid(), options)
            client = _open.get(key)
            if client is None:
                client = _open[key] = RegistryClient(options)
            client._users += 1
            return client

    def release(self) -> None:
        """Give the client back; the last user's release closes its connections."""
        with _lock:
            self._users -= 1
            last = self._users == 0
            if last:
                del _open[self._key]
        if last:
            self.transport.close()

    def ping(self, registry: str, control: Control, *, authenticated: bool = False) -> None:
        """Ask a registry whether it is one, and with ``authenticated`` whether it takes our credentials.

        Raises:
            DeniedError: It wants credentials, or other ones.
            RegistryError: It cannot be reached, or is not a registry.
        """
        url = f"{base_url(registry, self.options)}/v2/"
        access = Access(registry)
        doing = f"log in to {registry}" if authenticated else f"reach {registry}"
        expect = (200,) if authenticated else (200, 401)
        try:
            answer = self.transport.call(Request(access, "GET", url, doing, expect), control)
        except NotFoundError as error:
            raise RegistryError(
                f"{registry} is not an OCI registry: it has no /v2/", status=404, hint="check host and port"
            ) from error
        if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/html"):
            raise RegistryError(
                f"{registry} is not an OCI registry: /v2/ is a page for people", status=200, hint="check host and port"
            )

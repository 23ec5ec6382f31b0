"""Asking a registry whether it is one."""

from __future__ import annotations

from kitops_core.errors import NotFoundError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.registry.auth import Access
from kitops_core.storage.registry.hosts import base_url
from kitops_core.storage.registry.transport import Request, Transport


def ping(transport: Transport, registry: str, control: Control, *, authenticated: bool = False) -> None:
    """Ask a registry whether it is one, and with ``authenticated`` whether it takes our credentials.

    Raises:
        DeniedError: It wants credentials, or other ones.
        RegistryError: It cannot be reached, or is not a registry.
    """
    url = f"{base_url(registry, transport.options)}/v2/"
    doing = f"log in to {registry}" if authenticated else f"reach {registry}"
    expect = (200,) if authenticated else (200, 401)
    try:
        answer = transport.call(Request(Access(registry), "GET", url, doing, expect), control)
    except NotFoundError as error:
        raise RegistryError(
            f"{registry} is not an OCI registry: it has no /v2/", status=404, hint="check host and port"
        ) from error
    if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/html"):
        raise RegistryError(
            f"{registry} is not an OCI registry: /v2/ is a page for people", status=200, hint="check host and port"
        )

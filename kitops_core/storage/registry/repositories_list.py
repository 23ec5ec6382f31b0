"""All repositories of a registry, where it lists them (the ``_catalog`` of the distribution project)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from kitops_core.errors import IntegrityError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.limits import MAX_TAGS
from kitops_core.storage.registry.auth import Access
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.hosts import base_url
from kitops_core.storage.registry.transport import Transport

_PAGE = "1000"


class _WholeRegistry(Endpoint):
    """The part of the API that is of no one repository."""

    def __init__(self, transport: Transport, registry: str) -> None:
        super().__init__(transport, registry, "")
        self._root = f"{base_url(registry, transport.options)}/v2"

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return f"{self._root}/{path}" + (f"?{urlencode(query)}" if query else "")

    def access(self, actions: str, mount_from: str = "") -> Access:
        return Access(self.registry, "", ("registry:catalog:*",))


def list_repositories(transport: Transport, registry: str, control: Control) -> list[str]:
    """The name of every repository of a registry, sorted.

    Raises:
        NotFoundError, DeniedError: The registry does not list them, or not for us.
        IntegrityError: There are too many.
        RegistryError: It failed.
    """
    whole = _WholeRegistry(transport, registry)
    names: set[str] = set()
    doing = f"list the repositories of {registry}"
    for page in whole.pages(whole.url("_catalog", {"n": _PAGE}), doing, control):
        names.update(_names(page.body, doing))
        if len(names) > MAX_TAGS:
            raise IntegrityError(
                f"{registry} has more than {MAX_TAGS} repositories, which is the limit", hint="name the ones to show"
            )
    return sorted(names)


def _names(body: bytes, doing: str) -> list[str]:
    try:
        names = json.loads(body).get("repositories") or []
    except (ValueError, AttributeError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RegistryError(f"cannot {doing}: the answer is not the JSON a registry gives")
    return names

"""What the sensors of one process share: a client for each resource, and one look at a tag for each interval."""

from __future__ import annotations

import threading
from dataclasses import replace
from hashlib import sha256

import kitops_core as kitops
from dagster_kitops.resources import KitOpsResource
from kitops_core import NotFoundError, parse_reference
from kitops_core.orchestrate.looks import NEVER, Looks

_LOOKS: Looks[str] = Looks()
_CLIENTS: dict[tuple[str, str], kitops.Client] = {}
_lock = threading.Lock()


class Watcher:
    """One sensor's looks at tags. What another sensor saw since this one's last look, it need not ask for again.

    Args:
        interval: Seconds between two looks: no older one is taken from others.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._seen: dict[tuple[str, str], float] = {}

    def resolve(self, resource: KitOpsResource, reference: str) -> str:
        """The digest that a reference means now, or meant when another sensor of this process looked just before.

        Raises:
            NotFoundError: There is no such kit.
            KitOpsError: The registry or the store cannot be asked.
        """
        parsed = parse_reference(reference)
        if not parsed.in_registry:
            return resource.resolve(reference)
        owner = sha256(repr(resource.model_dump()).encode()).hexdigest()  # with its secrets, which are not kept here
        client = _client(owner, resource, parsed.registry)

        def ask() -> str:
            try:
                return client.resolve(reference, where="registry")
            except NotFoundError:
                return ""

        key = (owner, reference)
        look = _LOOKS.look(
            (*key, self._interval), ask, lambda failures: self._interval, after=self._seen.get(key, NEVER)
        )
        self._seen[key] = look.at
        if look.error is not None:
            raise look.error
        if not look.found:
            raise NotFoundError(f"{reference} does not exist")
        return look.found


def _client(owner: str, resource: KitOpsResource, registry: str) -> kitops.Client:
    """A client that stays. A registry that is away is asked again by the next tick, and holds up none."""
    with _lock:
        if (owner, registry) not in _CLIENTS:
            options = replace(resource.registries.options(registry), keep_trying=0)
            _CLIENTS[owner, registry] = kitops.Client(registries=kitops.Registries({registry: options}))
        return _CLIENTS[owner, registry]

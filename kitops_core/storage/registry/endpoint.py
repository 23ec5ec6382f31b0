"""One repository's part of the API: its URLs, the rights requests need, and the requests themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kitops_core.errors import IntegrityError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.limits import MAX_PAGES
from kitops_core.storage.registry.auth import Access
from kitops_core.storage.registry.hosts import api_repository, base_url, follow, origin
from kitops_core.storage.registry.transport import Answer, Request, Transport

if TYPE_CHECKING:
    from kitops_core.oci.manifest import Descriptor

PULL = "pull"
PUSH = "pull,push"
DELETE = "pull,push,delete"


class Endpoint:
    """The API of one repository.

    Attributes:
        registry: Host and port, as in references.
        name: ``registry/repository``, for messages.
        transport: What sends the requests.
    """

    def __init__(self, transport: Transport, registry: str, repository: str) -> None:
        self.transport = transport
        self.registry = registry
        self.name = f"{registry}/{repository}"
        self._repository = api_repository(registry, repository)
        self._base = f"{base_url(registry, transport.options)}/v2/{self._repository}"

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The URL of ``path`` below the repository."""
        url = f"{self._base}/{quote(path, safe='/:')}"
        return f"{url}?{urlencode(query, safe=':/')}" if query else url

    def access(self, actions: str, mount_from: str = "") -> Access:
        """The rights to do something here, and to read from another repository of the registry."""
        scopes = [f"repository:{self._repository}:{actions}"]
        if mount_from:
            scopes.append(f"repository:{mount_from}:{PULL}")
        return Access(self.registry, self._repository, tuple(scopes))

    def sibling(self, repository: str) -> str:
        """The name in the API of another repository of this registry."""
        return api_repository(self.registry, repository)

    def call(self, actions: str, method: str, url: str, doing: str, control: Control, **more: Any) -> Answer:
        """Send a request; ``more`` are further fields of :class:`~.transport.Request`."""
        return self.transport.call(Request(self.access(actions), method, url, doing, **more), control)

    def has_blob(self, descriptor: Descriptor, control: Control, actions: str = PULL) -> bool:
        """Whether the blob is there, with the size the descriptor says."""
        url, doing = self.url(f"blobs/{descriptor.digest}"), f"look for a blob of {self.name}"
        answer = self.call(actions, "HEAD", url, doing, control, expect=(200, 404))
        size = answer.headers.get("content-length", "")
        return answer.status == 200 and (not size.isdecimal() or int(size) == descriptor.size)

    def pages(self, url: str, doing: str, control: Control, **more: Any) -> Iterator[Answer]:
        """The answer from ``url``, then from every page its ``Link`` leads to, on this registry only.

        Args:
            url: The first page.
            doing: What it is for, as in "cannot <doing>".
            control: Cancelling.
            more: Further fields of each :class:`~.transport.Request`.

        Raises:
            IntegrityError: There are too many pages.
            RegistryError: A page leads to another registry, or back.
        """
        seen: set[str] = set()
        while url:
            if len(seen) == MAX_PAGES:
                raise IntegrityError(
                    f"cannot {doing}: it has more than {MAX_PAGES} pages, which is the limit",
                    hint="the list is longer than any in use, or the registry never ends it",
                )
            seen.add(url)
            answer = self.call(PULL, "GET", url, doing, control, **more)
            yield answer
            link = _next_link(answer.headers.lines("link"))
            if not link:
                return
            following = follow(answer.url, link)
            if origin(following) != origin(answer.url) or following in seen:
                raise RegistryError(f"cannot {doing}: the registry's pages lead nowhere")
            url = following


def _next_link(lines: list[str]) -> str:
    """The target with ``rel="next"`` in ``Link`` headers (RFC 8288), or an empty string."""
    for line in lines:
        for part in line.split(",<"):
            target, _, parameters = part.strip().lstrip("<").partition(">")
            rels = [p.partition("=")[2].strip().strip('"') for p in parameters.split(";") if "rel" in p.lower()]
            if "next" in rels:
                return target
    return ""

"""All tags of a repository, and what was seen of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

from kitops_core.errors import IntegrityError, NotFoundError, RegistryError
from kitops_core.events import Control
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.storage.limits import MAX_TAGS
from kitops_core.storage.registry.endpoint import Endpoint

_PAGE = "1000"
_LAST = 1.0  # seconds; what is attached to a kit is read with what is attached to that, as one look
NEVER = float("-inf")
"""When tags were seen that were not."""


class SeenTags:
    """The tags of a repository as they were at one look; what each manifest has is found without going through all.

    Args:
        tags: All of them.
        at: When they began to be listed, by :func:`time.monotonic`.
    """

    def __init__(self, tags: Iterable[str], at: float) -> None:
        self.all = frozenset(tags)
        self.at = at
        self._of: dict[str, list[str]] = {}
        for tag in self.all:
            subject, dot, _ = tag.partition(".")
            if dot:
                self._of.setdefault(subject, []).append(tag)

    @property
    def are_current(self) -> bool:
        """Whether that was just now."""
        return time.monotonic() - self.at <= _LAST

    def of(self, digest: str) -> Sequence[str]:
        """The tags that begin as those of the referrers of ``digest`` do."""
        return self._of.get(fallback_tag(digest), ())


def list_tags(endpoint: Endpoint, control: Control) -> list[str]:
    """Every tag of a repository, sorted.

    Raises:
        NotFoundError: There is no such repository.
        IntegrityError: There are too many.
        DeniedError, RegistryError: The registry refused or failed.
    """
    tags: set[str] = set()
    try:
        url = endpoint.url("tags/list", {"n": _PAGE})
        for page in endpoint.pages(url, f"list the tags of {endpoint.name}", control):
            tags.update(_tags(page.body, endpoint.name))
            if len(tags) > MAX_TAGS:
                raise IntegrityError(
                    f"{endpoint.name} has more than {MAX_TAGS} tags, which is the limit",
                    hint="remove those that are no longer needed",
                )
    except NotFoundError as error:
        raise NotFoundError(f"there is no repository {endpoint.name}", hint="check its name") from error
    return sorted(tags)


def _tags(body: bytes, name: str) -> list[str]:
    try:
        tags = json.loads(body).get("tags") or []
    except (ValueError, AttributeError, RecursionError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RegistryError(f"cannot list the tags of {name}: the answer is not the JSON a registry gives")
    return tags

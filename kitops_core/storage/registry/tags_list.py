"""All tags of a repository."""

from __future__ import annotations

import json

from kitops_core.errors import IntegrityError, NotFoundError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.limits import MAX_TAGS
from kitops_core.storage.registry.endpoint import Endpoint

_PAGE = "1000"


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

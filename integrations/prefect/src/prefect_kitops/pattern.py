"""References and tags that a function's arguments complete: ``registry.example.com/ml/{name}:{version}``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import kitops_core as kitops
from kitops_core.orchestrate.names import repository_of, tag_of

_ARGUMENT = re.compile(r"\{(\w+)\}")


def check_pattern(text: str, parameters: Iterable[str]) -> None:
    """See that a function has the arguments that a reference or a tag names.

    Raises:
        InvalidInputError: It has not.
    """
    if unknown := set(_ARGUMENT.findall(text)) - set(parameters):
        raise kitops.InvalidInputError(
            f"'{text}' names the argument '{min(unknown)}', which the function does not have",
            hint=f"it has {', '.join(parameters) or 'none'}",
        )


def fill(reference: str, arguments: Mapping[str, Any], *, tag_only: bool = False) -> str:
    """A reference with arguments in it, each made legal for where it stands.

    Args:
        reference: The reference; a repository block's tag has neither ``/`` nor ``:``.
        arguments: The function's arguments.
        tag_only: Whether a text without either is a tag and no repository.
    """
    place, colon, tag = reference.rpartition(":")
    if "/" in tag:
        place, colon, tag = reference, "", ""
    elif not colon and not tag_only:
        place, tag = tag, ""
    return _ARGUMENT.sub(lambda found: repository_of(str(arguments[found[1]]).split("/")), place) + (
        f"{colon}{fill_tag(tag, arguments)}" if tag else ""
    )


def fill_tag(tag: str, arguments: Mapping[str, Any]) -> str:
    """A tag with arguments in it; what is not legal in a tag is made so."""
    return tag_of(_ARGUMENT.sub(lambda found: str(arguments[found[1]]), tag)) if _ARGUMENT.search(tag) else tag

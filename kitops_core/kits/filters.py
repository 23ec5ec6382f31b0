"""Which parts of a kit are wanted, in the reference CLI's words: ``model``, ``datasets:name``, ``docs,code:src``.

A filter is ``TYPES[:NAMES]``, both comma-separated. It takes an entry whose type is listed (an empty list means any)
and whose name or path is listed (likewise). Several filters take what any of them takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError

if TYPE_CHECKING:
    from kitops_core.kitfile import KitEntry

_TYPES = {
    "kitfile": "kitfile",
    "model": "model",
    "modelpart": "model",
    "code": "code",
    "dataset": "dataset",
    "datasets": "dataset",
    "docs": "docs",
    "prompt": "prompt",
    "prompts": "prompt",
    "mcpserver": "mcpb",
    "mcpservers": "mcpb",
}


@dataclass(frozen=True)
class Filter:
    """One filter.

    Attributes:
        types: The types it takes; empty takes any.
        names: Names and paths it takes; empty takes any.
    """

    types: frozenset[str]
    names: frozenset[str]

    def takes(self, type_: str, *names: str) -> bool:
        """Whether it takes an entry of this type with one of these names."""
        return (not self.types or type_ in self.types) and (
            not self.names or any(name in self.names for name in names if name)
        )


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Read filters.

    Raises:
        InvalidInputError: A type is not one of the Kitfile's, or a filter is empty.
    """
    filters = []
    for text in texts:
        types, _, names = text.partition(":")
        wanted = set()
        for type_ in filter(None, (part.strip().lower() for part in types.split(","))):
            if type_ not in _TYPES:
                raise InvalidInputError(
                    f"filter '{text}': '{type_}' is not a type",
                    hint="types are kitfile, model, code, datasets, docs, prompts and mcpServers",
                )
            wanted.add(_TYPES[type_])
        chosen = frozenset(filter(None, (name.strip().removeprefix("./").rstrip("/") for name in names.split(","))))
        if not wanted and not chosen:
            raise InvalidInputError(f"filter '{text}' names nothing", hint="write TYPE, TYPE:NAME or :NAME")
        filters.append(Filter(frozenset(wanted), chosen))
    return tuple(filters)


def takes_entry(filters: Sequence[Filter], entry: KitEntry) -> bool:
    """Whether an entry is wanted; without filters everything is."""
    type_ = "model" if entry.section == "modelpart" else entry.section
    return not filters or any(filter_.takes(type_, entry.name, entry.path) for filter_ in filters)


def takes_kitfile(filters: Sequence[Filter]) -> bool:
    """Whether the Kitfile itself is wanted: without filters, or when one names the type ``kitfile``."""
    return not filters or any("kitfile" in filter_.types for filter_ in filters)

"""Which repositories a catalogue is of: those named, and those of a namespace where the registry lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kitops_core.catalogs.snapshot import SnapshotSession
from kitops_core.errors import (
    DeniedError,
    InvalidReferenceError,
    KitOpsError,
    NotFoundError,
    RegistryError,
)
from kitops_core.reference import Reference, parse_name

_HOST = re.compile(r"[^/]*[.:][^/]*/?")
_HOW = "write REGISTRY/REPOSITORY, REGISTRY/NAMESPACE/ or REGISTRY"


@dataclass(frozen=True)
class Found:
    """What places name.

    Attributes:
        repositories: The repositories, each once, sorted.
        problems: Places whose registry does not answer, each with the reason.
    """

    repositories: tuple[Reference, ...]
    problems: tuple[tuple[str, str], ...]


def find_repositories(session: SnapshotSession, places: Sequence[str]) -> Found:
    """The repositories that places name.

    A place is a repository, a namespace (all repositories below it) or a registry (all it has). Where a name could be
    both, the repository is meant; a slash at its end says that the namespace is.

    Raises:
        InvalidReferenceError: A place is none of them.
        NotFoundError: There is nothing of that name.
        DeniedError, RegistryError: A registry does not list its repositories, and there is none of that very name.
    """
    parsed = [_parse(place) for place in places]
    found: dict[str, Reference] = {}
    problems: list[tuple[str, str]] = []
    for place, (registry, path) in zip(places, parsed, strict=True):
        try:
            found.update((one.name, one) for one in _find(session, place, registry, path))
        except RegistryError as error:
            if error.status is not None:
                raise
            problems.append((place, error.message))
    return Found(tuple(found[name] for name in sorted(found)), tuple(problems))


def _find(session: SnapshotSession, place: str, registry: str, path: str) -> list[Reference]:
    if path and not place.endswith("/") and _has_tags(session, registry, path):
        return [Reference(registry, path)]
    try:
        names = session.repositories(registry)
    except (NotFoundError, DeniedError, RegistryError) as error:
        if isinstance(error, RegistryError) and error.status is None:
            raise  # it cannot be reached at all
        raise _unlisted(error, registry, path) from None
    below = [name for name in names if not path or name == path or name.startswith(f"{path}/")]
    references = [reference for name in below if (reference := _valid(registry, name)) is not None]
    if not references:
        what = f"repository or namespace {registry}/{path}" if path else f"repository in {registry}"
        raise NotFoundError(f"there is no {what}", hint=f"{_HOW}; a registry lists what has been pushed")
    return references


def _parse(place: str) -> tuple[str, str]:
    """A registry, and a path in it or an empty string."""
    if _HOST.fullmatch(place):
        return parse_name(f"{place.rstrip('/')}/any").registry, ""
    reference = parse_name(place.removesuffix("/"))
    if reference.tag or reference.digest:
        raise InvalidReferenceError(f"'{place}' names one kit, and a catalogue is of repositories", hint=_HOW)
    if not reference.in_registry:
        raise InvalidReferenceError(f"'{place}' names no registry, and a catalogue is of registries", hint=_HOW)
    return reference.registry, reference.repository


def _has_tags(session: SnapshotSession, registry: str, path: str) -> bool:
    """Whether there is such a repository. One that cannot be read is one, too: the page says so."""
    try:
        return bool(session.repository(registry, path).all_tags())
    except NotFoundError:
        return False
    except (DeniedError, RegistryError):
        return True


def _valid(registry: str, name: str) -> Reference | None:
    try:
        return parse_name(f"{registry}/{name}")
    except InvalidReferenceError:
        return None


def _unlisted(error: KitOpsError, registry: str, path: str) -> KitOpsError:
    there = f", and there is no repository {registry}/{path}" if path else ""
    message = f"{registry} does not list its repositories ({error.message}){there}"
    hint = f"name each repository: {registry}/{path or 'ml'}/my-model {registry}/…; a --policy names its own"
    if isinstance(error, RegistryError):
        return RegistryError(message, status=error.status, code=error.code, hint=hint)
    return type(error)(message, hint=hint)

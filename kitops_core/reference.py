"""A reference to a ModelKit: ``registry/repository:tag@digest``, a local name, or ``oci:PATH:tag``.

The grammar of repository, tag and digest is the OCI distribution spec's. The first segment is a registry when it
has a ``.`` or a ``:``, as in the reference CLI; a name without one lives in the local store only.

Where a reference names an index, ``?`` and rules say which of its kits: ``registry/repository:tag?quantization=q4_0``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, unquote

from kitops_core.errors import InvalidReferenceError

Place = Literal["store", "registry"]
"""Where kits are: in the local store, or in their registry."""
Where = Literal["any", "store", "registry"]
"""Which storage a kit is looked for in: the local store, its registry, or any that the verb looks in by itself."""

DEFAULT_TAG = "latest"
LOCAL_REGISTRY = "localhost"

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_REGISTRY = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"(?::[0-9]{1,5})?"
)
_PORT = re.compile(r":([0-9]+)$")
MAX_NAME = 255
"""How long registry and repository may be together: what the distribution spec tells registries to expect."""

_MAX_PORT = 65535
_MAX_PATH = 4000  # PATH_MAX is 4096 on Linux, and files lie below the directory
_SHOWN = 100  # characters of a reference that errors repeat
_GRAMMAR = "registry/repository:tag, registry/repository@sha256:<64 hex>, a local name:tag, or oci:PATH:tag"


@dataclass(frozen=True)
class Reference:
    """Where a kit is: a storage (registry, local store or layout directory), a repository, and a tag or digest.

    Attributes:
        registry: Host and port, or ``localhost`` for a name that only means the local store.
        repository: The path in the registry; empty for a layout directory.
        tag: The tag, or an empty string.
        digest: ``sha256:<hex>``, or an empty string. Where both are given, the digest decides.
        layout: The directory of an OCI image layout for ``oci:PATH``, else an empty string.
        select: Rules that choose a kit of an index (:mod:`kitops_core.oci.choosing`); empty for the whole.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""
    layout: str = ""
    select: tuple[str, ...] = ()

    @property
    def is_local_name(self) -> bool:
        """Whether the name has no registry, and so only ever means the local store."""
        return not self.layout and self.registry == LOCAL_REGISTRY

    @property
    def in_registry(self) -> bool:
        """Whether the name has a registry in front: what is hung on such a kit belongs there."""
        return not self.layout and not self.is_local_name

    @property
    def name(self) -> str:
        """``registry/repository``, without tag or digest; ``oci:PATH`` for a layout."""
        return f"oci:{self.layout}" if self.layout else f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What to resolve in the repository: the digest if there is one, else the tag, else ``latest``."""
        return self.digest or self.tag or DEFAULT_TAG

    def with_tag(self, tag: str) -> Reference:
        """The same repository under another tag, without a digest.

        Raises:
            InvalidReferenceError: ``tag`` does not follow the grammar.
        """
        check_tag(tag)
        return replace(self, tag=tag, digest="", select=())

    def with_digest(self, digest: str) -> Reference:
        """The same repository pinned to a digest, without a tag."""
        return replace(self, tag="", digest=digest, select=())

    def selecting(self, rules: Sequence[str]) -> Reference:
        """The same with further rules that choose a kit of an index."""
        return replace(self, select=(*self.select, *rules))

    @property
    def whole(self) -> Reference:
        """The same without the rules that choose."""
        return replace(self, select=())

    def __str__(self) -> str:
        name = self.repository if self.is_local_name else self.name
        rules = "&".join(quote(rule, safe="=<>() ,:/+@._-") for rule in self.select)
        text = name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")
        return text + (f"?{rules}" if rules else "")


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest this engine can check (sha256 or sha512)."""
    return _DIGEST.fullmatch(text) is not None


def check_tag(tag: str) -> str:
    """Return ``tag``.

    Raises:
        InvalidReferenceError: It does not follow the OCI grammar.
    """
    if not _TAG.fullmatch(tag):
        raise InvalidReferenceError(
            f"'{_shorten(tag)}' is not a valid tag",
            hint="a tag has up to 128 letters, digits, '_', '.' or '-', and does not start with '.' or '-'",
        )
    return tag


def parse_reference(text: str) -> Reference:
    """Read a reference.

    Raises:
        InvalidReferenceError: It does not follow the grammar; the message says which part.
    """
    bare, asked, rules = text.rpartition("?") if text.startswith("oci:") else text.partition("?")
    if asked and (not text.startswith("oci:") or rules == "auto" or any(sign in rules for sign in "=<>(")):
        select = tuple(unquote(rule) for rule in rules.split("&"))
        if all(select):
            return parse_reference(bare).selecting(select)
        raise InvalidReferenceError(
            f"'{text}' has a '?' and does not say which kit", hint="write registry/repository:tag?quantization=q4_0"
        )
    if text.startswith("oci:"):
        return _parse_layout(text)
    shown = _shorten(text)
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise InvalidReferenceError(
            f"'{shown}': '{_shorten(digest)}' is not a digest", hint="a digest is sha256: and 64 lower-case hex digits"
        )
    first, slash, after = rest.partition("/")
    registry = LOCAL_REGISTRY
    if slash and ("." in first or ":" in first):
        registry, rest = first, after
        if len(registry) > MAX_NAME or not _REGISTRY.fullmatch(registry):
            raise InvalidReferenceError(f"'{shown}': '{_shorten(registry)}' is not a registry host", hint=_GRAMMAR)
        port = _PORT.search(registry)
        if port and not 0 < int(port[1]) <= _MAX_PORT:
            raise InvalidReferenceError(f"'{shown}': there is no port {port[1]}", hint=f"ports are 1 to {_MAX_PORT}")
    repository, colon, tag = rest.partition(":")
    if len(registry) + 1 + len(repository) > MAX_NAME:
        raise InvalidReferenceError(
            f"'{shown}' is a name of {len(registry) + 1 + len(repository)} characters",
            hint=f"registry and repository have up to {MAX_NAME} characters together",
        )
    if not repository or not _REPOSITORY.fullmatch(repository):
        lower = " (repository names are lower case)" if repository != repository.lower() else ""
        raise InvalidReferenceError(f"'{shown}' is not a ModelKit reference{lower}", hint=f"write {_GRAMMAR}")
    if colon:
        check_tag(tag)
    return Reference(registry, repository, tag, digest)


def parse_name(text: str) -> Reference:
    """Read a reference that is to be written, or names a repository or an index: rules that choose have no place in it.

    Raises:
        InvalidReferenceError: It has some, or does not follow the grammar.
    """
    reference = parse_reference(text)
    if reference.select:
        raise InvalidReferenceError(
            f"'{text}' chooses a kit of an index, and only what is read can be chosen", hint=f"write {reference.whole}"
        )
    return reference


def channel_reference(kit: str, target: str, name: str) -> Reference:
    """Where a channel of a promotion policy is: its repository and its tag.

    Args:
        kit: The policy's ``kit``.
        target: The channel's ``target``, or an empty string.
        name: The channel's name, which is its tag where the target has none.

    Raises:
        InvalidReferenceError: ``kit`` or ``target`` does not follow the grammar.
    """
    reference = parse_name(target or kit)
    return reference if target and reference.tag else reference.with_tag(name)


def _parse_layout(text: str) -> Reference:
    rest, at, digest = text.removeprefix("oci:").partition("@")
    if at and not is_digest(digest):
        raise InvalidReferenceError(f"'{_shorten(text)}': '{_shorten(digest)}' is not a digest", hint=_GRAMMAR)
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    if not head:
        raise InvalidReferenceError(f"'{text}' names no directory", hint="write oci:PATH or oci:PATH:tag")
    if len(head) > _MAX_PATH:
        raise InvalidReferenceError(f"'{_shorten(text)}' is a path of {len(head)} characters", hint="use a shorter one")
    if tag:
        check_tag(tag)
    return Reference("", "", tag, digest, layout=head)


def places_of(reference: Reference, where: Where) -> list[Place]:
    """Which storages to look in for a kit, in this order."""
    if where != "any":
        return [where]
    return ["store", "registry"] if reference.in_registry else ["store"]


def _shorten(text: str) -> str:
    """What of a reference an error repeats."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

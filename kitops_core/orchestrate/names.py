"""From an orchestrator's names to references, tags and asset keys, by one rule.

Asset keys, partition keys and run ids may hold any text, an OCI registry's names may not. A name that is legal stays as
it is; any other is made legal and marked with a hash of it, so that two names never share a repository or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from kitops_core.errors import InvalidReferenceError
from kitops_core.reference import Reference, check_tag, parse_reference

ASSET_SCHEME = "oci"
MAX_ASSET_KEY = 512
"""The longest asset key, in characters: Prefect takes no longer one."""

_SEGMENT = re.compile(r"[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MARKED = re.compile(r".*-[0-9a-f]{12}")
_LONGEST_SEGMENT = 64
_LONGEST_TAG = 100
_ILLEGAL_IN_KEYS = " #?&%\"'<>[]{}|\\^`\n\r\t"
_LEGAL_IN_KEYS = str.maketrans(_ILLEGAL_IN_KEYS, "-" * len(_ILLEGAL_IN_KEYS))


def complete(text: str, registry: str, namespace: str = "") -> Reference:
    """A reference that may leave out the registry, and the namespace, of the connection it is used with.

    Args:
        text: The reference.
        registry: Host and port to put in front of a name that has none; empty leaves it to the local store.
        namespace: What such names are below in the registry.

    Raises:
        InvalidReferenceError: It does not follow the grammar.
    """
    reference = parse_reference(text)
    if not reference.is_local_name or not registry:
        return reference
    return parse_reference("/".join(part for part in (registry, namespace.strip("/"), text) if part))


def tag_of(text: str) -> str:
    """A tag made of any text: ``2026-01-02`` is itself, ``2026-01-02|us`` becomes ``2026-01-02_us-<12 hex>``."""
    if _TAG.fullmatch(text) and len(text) <= _LONGEST_TAG and not _MARKED.fullmatch(text):
        return check_tag(text)
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:_LONGEST_TAG].lstrip(".-") or "tag"
    return check_tag(f"{readable}-{_mark(text)}")


def repository_of(path: Sequence[str]) -> str:
    """The repository of a name in parts: ``["ml", "churn"]`` is ``ml/churn``.

    A dot makes a part illegal too: with one, the first part would read as a registry's host.
    """
    return "/".join(segment_of(part) for part in path)


def segment_of(part: str) -> str:
    """One segment of a repository's name, made of any text."""
    if _SEGMENT.fullmatch(part) and len(part) <= _LONGEST_SEGMENT and not _MARKED.fullmatch(part):
        return part
    readable = re.sub(r"[^a-z0-9]+", "-", part.lower())[:_LONGEST_SEGMENT].strip("-") or "asset"
    return f"{readable}-{_mark(part)}"


def asset_key(reference: Reference, tag: str = "") -> str:
    """The key of the asset whose versions a reference names: the repository, or one tag of it.

    A tag is a pointer that moves and a digest would make an asset of every build, so neither is part of it:
    ``oci://registry.example.com/ml/churn``. The asset of a channel has its tag: ``…/churn?tag=prod``.

    Raises:
        InvalidReferenceError: It is longer than an orchestrator takes.
    """
    place = reference.layout or f"{reference.registry.lower()}/{reference.repository}"
    key = f"{ASSET_SCHEME}://{place.translate(_LEGAL_IN_KEYS)}" + (f"?tag={tag}" if tag else "")
    if len(key) > MAX_ASSET_KEY:
        raise InvalidReferenceError(
            f"the asset key of '{str(reference)[:60]}…' has {len(key)} characters, and {MAX_ASSET_KEY} are taken",
            hint="give the repository a shorter name",
        )
    return key


def page_of(reference: Reference) -> str:
    """The page of a kit's repository, for people; empty where it is on this machine, where others could not look."""
    from kitops_core.storage.registry.hosts import is_loopback

    return f"https://{reference.name}" if reference.in_registry and not is_loopback(reference.registry) else ""


def _mark(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

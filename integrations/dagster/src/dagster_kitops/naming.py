"""From asset keys and partition keys to repositories and tags.

Dagster's keys may hold any text, an OCI registry's names may not. A key that is a legal name stays as it is; any
other is made legal and marked with a hash of the key, so that two keys never share a repository or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from kitops_core.reference import DEFAULT_TAG, check_tag

_SEGMENT = re.compile(r"[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MARKED = re.compile(r".*-[0-9a-f]{12}")
_LONGEST_SEGMENT = 64
_LONGEST_TAG = 100


def repository_of(asset_path: Sequence[str]) -> str:
    """The repository of an asset, from its whole key: ``["ml", "churn"]`` is ``ml/churn``.

    A dot makes a segment illegal too: with one, the first segment would read as a registry's host.
    """
    return "/".join(segment(part) for part in asset_path)


def repository_of_output(identifier: Sequence[str]) -> tuple[str, str]:
    """The repository and tag of an op's output that is no asset, from Dagster's identifier of it.

    Args:
        identifier: Run (a UUID), step, output, and the mapping key of a dynamic output.
    """
    run, step, output, *mapping_key = identifier
    return "/".join(["runs", run, segment(step), segment(output)]), tag_of_partition((mapping_key or [DEFAULT_TAG])[0])


def tag_of_partition(key: str) -> str:
    """The tag of a partition: ``2026-01-02`` is itself, ``2026-01-02|us`` becomes ``2026-01-02_us-<12 hex>``."""
    if _TAG.fullmatch(key) and len(key) <= _LONGEST_TAG and not _MARKED.fullmatch(key):
        return check_tag(key)
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", key)[:_LONGEST_TAG].lstrip(".-") or "partition"
    return check_tag(f"{readable}-{_mark(key)}")


def segment(part: str) -> str:
    """One segment of a repository's name."""
    if _SEGMENT.fullmatch(part) and len(part) <= _LONGEST_SEGMENT and not _MARKED.fullmatch(part):
        return part
    readable = re.sub(r"[^a-z0-9]+", "-", part.lower())[:_LONGEST_SEGMENT].strip("-") or "asset"
    return f"{readable}-{_mark(part)}"


def _mark(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]

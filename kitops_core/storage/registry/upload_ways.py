"""In which requests a registry takes a blob's bytes, and which others to try when it refuses some.

One PATCH and an empty PUT is what most take. Some cap the body of a PATCH (or a proxy before them does), some know no
PATCH, some no body in the PUT that ends an upload. What works is found out by being refused, once for each registry.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from kitops_core.storage.registry.failures import Problem

_CHUNKS = (4 << 20, 1 << 20)
"""Bytes of a chunk: what known registries take, then what a proxy takes that nobody configured."""
_TOO_LARGE = (413, 416)
_UNKNOWN_METHOD = (405, 501)
_SESSION_CODES = ("", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID")


class Way(NamedTuple):
    """How the bytes are sent.

    Attributes:
        by: All in one ``PATCH``, all in the ``PUT`` that ends the upload, or in ``chunks``, each by a PATCH.
        size: Bytes of a chunk.
    """

    by: Literal["PATCH", "PUT", "chunks"]
    size: int = 0


ONE_PATCH = Way("PATCH")
ONE_PUT = Way("PUT")


def refuses(problem: Problem) -> bool:
    """Whether a registry may take the bytes in another way."""
    return problem.status in (*_TOO_LARGE, *_UNKNOWN_METHOD) or problem.code == "UNSUPPORTED" or loses(problem)


def loses(problem: Problem) -> bool:
    """Whether a registry does not know the upload: it was lost, or it is no place where this request can go."""
    return problem.status == 404 and problem.code in _SESSION_CODES


def others(refused: Way, problem: Problem, size: int | None, least: int) -> list[Way]:
    """The ways to try instead, the most promising one first.

    Args:
        refused: What was refused.
        problem: How.
        size: Bytes of the blob, where they are known.
        least: Bytes that a chunk has at least, as the registry says.
    """
    sizes = dict.fromkeys(max(chunk, least) for chunk in _CHUNKS)
    chunks = [Way("chunks", chunk) for chunk in sizes if size is None or chunk < size]
    whole = [ONE_PATCH, ONE_PUT]
    if refused.by == "chunks":
        smaller = [way for way in chunks if way.size < refused.size] if problem.status in _TOO_LARGE else []
        return [*smaller, ONE_PUT, ONE_PATCH]
    if problem.status in _TOO_LARGE:
        return [*chunks, *(way for way in whole if way != refused)] if chunks else []
    return [*(way for way in whole if way != refused), *chunks]

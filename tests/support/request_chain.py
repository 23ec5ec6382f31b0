"""How many requests waited for each other: over a link, each of them is a round trip."""

from __future__ import annotations

from collections.abc import Iterable

from fault_proxy import Seen


def in_a_row(requests: Iterable[Seen]) -> int:
    """The most requests of which each began when the one before had its answer."""
    count, free = 0, float("-inf")
    for request in sorted(requests, key=lambda request: request.ended):
        if request.begun >= free:
            count, free = count + 1, request.ended
    return count

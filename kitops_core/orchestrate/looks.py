"""What many in one process watch is looked up once for all of them: a tag that five hundred sensors wait for, say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
NEVER = float("-inf")


@dataclass(frozen=True)
class Look(Generic[T]):
    """What a look found.

    Attributes:
        found: What was found; what was found before, or ``None``, where the look failed.
        error: Why it failed, or ``None``.
        at: When it was begun, by :func:`time.monotonic`.
        due: Seconds until the next one. Who comes back then shares it with all others.
    """

    found: T | None
    error: Exception | None
    at: float
    due: float


@dataclass
class _Kept(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = NEVER
    failures: int = 0
    found: T | None = None
    error: Exception | None = None


class Looks(Generic[T]):
    """Looks that are shared by all threads of a process. A failure is shared as well: nobody tries again at once.

    Args:
        most: How many things are remembered; those looked at longest ago go first.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Kept[T]] = {}

    def look(
        self, key: Hashable, ask: Callable[[], T], wait: Callable[[int], float], *, after: float = NEVER
    ) -> Look[T]:
        """What ``ask`` gives, or gave not long ago; of those who want it at one time, one asks and the others wait.

        Args:
            key: What is looked at, and how often.
            ask: Looks.
            wait: Seconds that a look stands, by how many failed in a row.
            after: When the look was begun that the caller knows already: it is not given again, however young.
        """
        kept = self._of(key)
        with kept.lock:
            now = time.monotonic()
            if kept.at <= after or now - kept.at >= wait(kept.failures):
                kept.at = now
                try:
                    kept.found, kept.error, kept.failures = ask(), None, 0
                except Exception as error:  # it is theirs, whatever it is
                    kept.error, kept.failures = error, kept.failures + 1
            due = kept.at + wait(kept.failures) - time.monotonic()
            return Look(kept.found, kept.error, kept.at, max(0.0, due))

    def _of(self, key: Hashable) -> _Kept[T]:
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            if len(self._kept) > self._most:
                others = (one for one in self._kept if one != key)
                self._kept.pop(min(others, key=lambda one: self._kept[one].at))
            return kept

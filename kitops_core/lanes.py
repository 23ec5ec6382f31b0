"""Lanes: how many connections an operation uses at a time. It grows while the processor waits for the network.

On loopback two transfers keep two cores busy, and more only get in each other's way. On a link with a round trip, or
with a limit for each connection, the processor waits, and what is moved grows with the connections. So the number is
not set but found: while the processor waits it grows to eight, and is then doubled; it is kept where more did not help,
and halved where a registry says that there are too many requests.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

MOST_LANES = 32
"""How many connections an operation uses at most."""
MOST_ASKING = 64
"""How many one uses at most that only asks for little things: each costs a server little, and waits a round trip."""
PART_BYTES = 4 * 1024 * 1024
"""How much of a large blob one connection fetches at a time."""
_PARTS = 14
"""How many parts are in memory at most."""
_LOOK_SECONDS = 0.02
_SELDOM_SECONDS = 0.1
"""How often it is looked when there are many lanes, or as many as there may be: each look asks every thread."""
_WAITING = 0.35
"""Share of the cores in use, up to one for each lane, below which the processor is said to wait."""
_WEIGHT, _UNKNOWN_SHARE = 0.6, 0.7
"""How much the last look counts, and what is taken for the share before the first: one clear look is enough."""
_UNPROVEN = 8
"""How many lanes are taken without a sign that more help: tools with a fixed number use five."""
_HELPS = 1.15
_PROOF_SECONDS, _PROOF_BYTES = 0.1, 256 * 1024
_HOLD_SECONDS = 10.0
"""How long it is left at that where more did not help."""
_REFUSED_SECONDS = 2.0
"""How long it takes for each further lane once a server has refused some."""
_THREADS = 64
"""Of how many threads it is asked how long they stood in line, the newest: each costs a file to read."""
SMALL_BYTES = 1024 * 1024
"""Tasks that move less than this are held up by the round trip, and not by the width of the link."""
_FAR_SECONDS = 0.01
"""A server that never answered faster is far: for small tasks nothing but more connections helps."""


_most: ContextVar[int | None] = ContextVar("most", default=None)


@contextmanager
def at_most(count: int | None) -> Iterator[None]:
    """Inside the block, operations begin with up to ``count`` lanes; ``None`` leaves it to what the link bears."""
    token = _most.set(count)
    try:
        yield
    finally:
        _most.reset(token)


class Lanes:
    """The lanes of one operation, used by all of its transfers; safe to use from several threads.

    Args:
        most: How many there may be, where nobody wants fewer.

    Attributes:
        most: How many there may be.
    """

    def __init__(self, most: int = MOST_LANES) -> None:
        self.most = min(_most.get() or most, most)
        self._lock = threading.Lock()
        self._limit = min(4, os.cpu_count() or 1)
        self._used = 0
        self._wanted = False
        self._looked, self._busy = time.monotonic(), _busy_seconds()
        self._waiting_since, self._share = 0.0, _UNKNOWN_SHARE
        self._moved = self._finished = 0
        self._rate = 0.0
        self._changed, self._moved_then, self._finished_then = self._looked, 0, 0
        self._hold = 0.0
        self._refused = 0.0
        self._nearest = math.inf
        self._readers = self._parts = 0

    @property
    def limit(self) -> int:
        """How many lanes may be used now."""
        return min(self._limit, self.most)

    def enter(self) -> None:
        """Use one more lane, whatever the limit: what has begun must be able to go on."""
        with self._lock:
            self._use()

    def try_enter(self) -> bool:
        """Use one more lane, if there is one."""
        self.look()
        with self._lock:
            if self._used >= self.limit:
                self._wanted = True
                return False
            self._use()
            return True

    def leave(self) -> None:
        """Use one lane less."""
        with self._lock:
            self._used -= 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """Use one more lane in the block, whatever the limit."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def too_many(self) -> bool:
        """Whether more lanes are used than there are now."""
        return self._used > self.limit

    def moved(self, count: int) -> None:
        """Tell that bytes were moved."""
        with self._lock:
            self._moved += count
        self.look()

    def finished(self) -> None:
        """Tell that one task is done."""
        with self._lock:
            self._finished += 1
        self.look()

    def answered(self, seconds: float) -> None:
        """Tell how long a server took to answer a request."""
        self._nearest = min(self._nearest, seconds)

    def expect_small(self) -> None:
        """Tell that many small tasks begin: where the servers are far they get all lanes at once."""
        with self._lock:
            if _FAR_SECONDS <= self._nearest < math.inf and not self._refused:
                self._limit = self.most

    def waits(self, seconds: float) -> bool:
        """Whether the processor has been waiting for the network for that long."""
        self.look()
        return bool(self._waiting_since) and time.monotonic() - self._waiting_since >= seconds

    def refused(self) -> None:
        """Tell that a server said there are too many requests: half as many from here on, and slowly more later."""
        now = time.monotonic()
        with self._lock:
            if now - self._refused >= _LOOK_SECONDS * 10:  # what was under way is refused together
                self._limit = max(1, min(self._limit, self._used) // 2)
            self._refused = now

    @property
    def share(self) -> int:
        """How many parts of one blob may be in memory, so that all blobs that are read get some."""
        return max(1, _PARTS // max(1, self._readers))

    def begin_reading(self) -> None:
        """Tell that one more large blob is read."""
        with self._lock:
            self._readers += 1

    def end_reading(self) -> None:
        """Tell that one large blob less is read."""
        with self._lock:
            self._readers -= 1

    def reserve(self) -> bool:
        """Take the memory for one more part, if there is some."""
        with self._lock:
            if self._parts >= _PARTS:
                return False
            self._parts += 1
            return True

    def release(self, count: int) -> None:
        """Give back the memory of so many parts."""
        with self._lock:
            self._parts -= count

    def look(self) -> None:
        """See whether the processor waits, and grow; cheap enough to be called with every buffer."""
        few = self._limit < min(self.most, MOST_LANES)
        now, pause = time.monotonic(), _LOOK_SECONDS if few else _SELDOM_SECONDS
        if now - self._looked < pause:
            return
        with self._lock:
            if (wall := now - self._looked) < pause:
                return
            busy = _busy_seconds()
            used = max(self._used, 1)
            worked = (busy[0] - self._busy[0]) / wall
            queued = max(0.0, busy[1] - self._busy[1]) / wall  # a thread that ended took its share along
            # Other programs may hold the processors: a lane that stands in line for one half of the time is busy too.
            share = max(worked / min(used, os.cpu_count() or 1), (worked + queued) / used * _WAITING * 2)
            self._share += _WEIGHT * (share - self._share)
            waits = self._share < _WAITING
            self._waiting_since = (self._waiting_since or self._looked) if waits else 0.0
            self._looked, self._busy = now, busy
            if waits and self._wanted and now >= self._hold and self._limit < self.most:
                self._grow(now)
            self._wanted = False

    def _use(self) -> None:
        if self._used == 0:  # what the processor did before says nothing about the link
            self._looked, self._busy = time.monotonic(), _busy_seconds()
            self._waiting_since, self._share = 0.0, _UNKNOWN_SHARE
            self._rate, self._changed = 0.0, self._looked
            self._moved_then, self._finished_then = self._moved, self._finished
        self._used += 1

    def _grow(self, now: float) -> None:
        elapsed, moved = now - self._changed, self._moved - self._moved_then
        finished = self._finished - self._finished_then
        limit = max(self._limit * 2, _UNPROVEN)  # what begins a few looks later ends as much later
        if self._refused:
            if now - max(self._refused, self._changed) < _REFUSED_SECONDS:
                return
            limit = self._limit + 1
        elif self._limit >= _UNPROVEN and not (finished and moved < finished * SMALL_BYTES):
            if elapsed < _PROOF_SECONDS or moved < self._limit * _PROOF_BYTES:
                return
            rate = moved / elapsed
            if rate < self._rate * _HELPS:  # the last step did not help
                limit, rate, self._hold = max(self._limit // 2, _UNPROVEN), 0.0, now + _HOLD_SECONDS
            self._rate = rate
        self._limit = min(limit, self.most)
        self._changed, self._moved_then, self._finished_then = now, self._moved, self._finished


def _busy_seconds() -> tuple[float, float]:
    """Seconds that this process used a processor, and that its threads stood in line for one that others used."""
    queued = 0
    with suppress(OSError):  # not every system tells
        for thread in os.listdir("/proc/self/task")[-_THREADS:]:
            with suppress(OSError, ValueError, IndexError), open(f"/proc/self/task/{thread}/schedstat", "rb") as file:
                queued += int(file.read().split()[1])
    return time.process_time(), queued / 1e9

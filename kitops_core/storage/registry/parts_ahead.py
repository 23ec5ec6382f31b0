"""Parts of a blob that are fetched ahead of whoever reads it in order, by several connections into a bounded window."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing, suppress

from kitops_core.errors import KitOpsError
from kitops_core.events import Cancel, Control
from kitops_core.lanes import PART_BYTES
from kitops_core.storage.registry.failures import LostError
from kitops_core.storage.registry.ranged_stream import NoPartsError, RangedStream
from kitops_core.storage.registry.served import Served

_PIECE_BYTES = 256 * 1024
_IDLE_SECONDS = 0.5
_ENDING_SECONDS = 0.1
"""How long closing waits for threads that were stopped; a cancel must not take longer."""
_LOOK_SECONDS = 0.02
_MOST_FAILURES = 20


class _Part:
    """Bytes from ``start`` to ``end``, the first ``filled`` of them here already."""

    def __init__(self, start: int, end: int, buffer: bytearray) -> None:
        self.start = start
        self.end = end
        self.buffer = buffer
        self.view = memoryview(buffer)[: end - start]
        self.filled = 0
        self.fetched = True  # by a thread, now
        self.passed = False  # by the reader

    @property
    def is_whole(self) -> bool:
        return self.filled == len(self.view)


class PartsAhead:
    """The bytes from a place on, fetched in parts by threads that use free lanes.

    A thread that fails leaves a gap, which the reader fills in its own way: only the reader waits for a server that is
    gone, and says so.

    Args:
        served: All of the bytes.
        control: What stops the fetching, and whose lanes are used.
        start: The first byte to fetch.

    Attributes:
        start: The first byte fetched.
        is_proven: Whether the server was seen to send a part as it was asked for.
        is_refused: Whether it was seen not to.
    """

    def __init__(self, served: Served, control: Control, start: int) -> None:
        self.start = start
        self.is_proven = False
        self.is_refused = False
        self._served = served
        self._lanes = control.lanes
        self._stop = Cancel()
        self._control = control.linked(self._stop)
        self._changed = threading.Condition()
        self._next = start
        self._parts: deque[_Part] = deque()
        self._buffers: list[bytearray] = []
        self._reserved = 0
        self._workers = 0
        self._failures = 0  # in a row
        self._streams: set[RangedStream] = set()

    def staff(self) -> None:
        """Start threads for the lanes that are free, as far as there is something to fetch and room for it."""
        with self._changed:
            while not self.is_refused and self._next < self._served.size and self._workers < self._lanes.share:
                if not self._lanes.try_enter():
                    return
                self._workers += 1
                threading.Thread(target=self._work, name="kitops-part", daemon=True).start()

    def readinto(self, buffer: memoryview, position: int) -> int:
        """Bytes from ``position`` on, waiting for them as long as they are being fetched.

        Returns:
            How many; 0 where nobody fetches them.
        """
        with self._changed:
            while True:
                self._pass(position)
                part = self._parts[0] if self._parts else None
                if part is None and self._workers and self._next < self._served.size and not self.is_refused:
                    self._control.check()
                    self._changed.wait(_LOOK_SECONDS)
                    continue
                if part is None or position < part.start:
                    return 0
                ready = part.start + part.filled - position
                if ready > 0:
                    break
                if not part.fetched:
                    return 0
                self._control.check()
                self._changed.wait(_LOOK_SECONDS)
                self._lanes.look()
        count = min(ready, len(buffer))
        at = position - part.start
        buffer[:count] = part.view[at : at + count]
        return count

    def gap(self, position: int) -> int:
        """Where the bytes end that nobody fetches from ``position`` on; they are left to the caller."""
        with self._changed:
            self._pass(position)
            if not self._parts:
                self._next = max(self._next, min(position + PART_BYTES, self._served.size))
                return self._next
            first = self._parts[0]
            return first.start if position < first.start else first.end

    def _pass(self, position: int) -> None:
        """Let go of the parts that the reader has passed: by reading them, or by being faster than who fetches them."""
        self._next = max(self._next, position)
        while self._parts and self._parts[0].end <= position:
            part = self._parts.popleft()
            part.passed = True
            if not part.fetched:
                self._buffers.append(part.buffer)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop all fetching and let go of the buffers."""
        self._stop.cancel()
        with self._changed:
            self._next = self._served.size
            self._parts.clear()
            self._buffers.clear()
            streams = [*self._streams]
            self._changed.notify_all()
        for stream in streams:
            stream.abort()
        with self._changed:  # so that they close their own connections, which whoever closes the pool cannot see
            self._changed.wait_for(lambda: not self._workers, timeout=_ENDING_SECONDS)
        self._lanes.release(self._reserved)
        self._reserved = 0

    def _work(self) -> None:
        try:
            while (part := self._take()) is not None:
                try:
                    self._fetch(part)
                finally:
                    with self._changed:
                        part.fetched = False
                        if part.passed:
                            self._buffers.append(part.buffer)
                        self._changed.notify_all()
                with self._changed:
                    self._failures = 0 if part.is_whole or part.passed else self._failures + 1
                    self.is_refused |= self._failures > _MOST_FAILURES
                if not (part.is_whole or part.passed):
                    return
        finally:
            with self._changed:
                self._workers -= 1
                self._changed.notify_all()
            self._lanes.leave()

    def _take(self) -> _Part | None:
        """The next part to fetch: one that is left unfinished, or a new one once there is room for it."""
        with self._changed:
            waited = False
            while not (self.is_refused or self._stop.cancelled or (self._lanes.too_many() and self._workers > 1)):
                for part in [*self._parts][1:]:  # the first is for the reader, who may be at it
                    if not part.fetched and not part.is_whole:
                        part.fetched = True
                        return part
                if self._next >= self._served.size:
                    return None
                buffer = self._buffer()
                if buffer is not None:
                    part = _Part(self._next, min(self._next + PART_BYTES, self._served.size), buffer)
                    self._next = part.end
                    self._parts.append(part)
                    return part
                if waited:  # who reads is slower than we are
                    return None
                waited = not self._changed.wait(_IDLE_SECONDS)
            return None

    def _buffer(self) -> bytearray | None:
        if self._buffers:
            return self._buffers.pop()
        if self._reserved < self._lanes.share and self._lanes.reserve():
            self._reserved += 1
            return bytearray(PART_BYTES)
        return None

    def _fetch(self, part: _Part) -> None:
        stream = None
        try:
            stream = RangedStream(self._served, self._control, part.start + part.filled, part.end, patient=False)
            self.is_proven = True
            with self._changed:
                self._streams.add(stream)
            with closing(stream):
                while not (self._stop.cancelled or part.passed or part.is_whole):
                    count = stream.readinto(part.view[part.filled : part.filled + _PIECE_BYTES])
                    with self._changed:
                        part.filled += count
                        self._changed.notify_all()
        except NoPartsError:
            self.is_refused = True
        except (KitOpsError, LostError):  # whoever comes to this place without us is told what is wrong
            pass
        finally:
            with self._changed, suppress(KeyError):
                self._streams.discard(stream)

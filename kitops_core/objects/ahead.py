"""Objects that are read one after the other, with parts of them and of the next ones fetched ahead.

How much is held is bounded for the whole operation, by its lanes: whoever gets no room ahead reads a little at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import NamedTuple

from kitops_core.events import Control
from kitops_core.objects.store import StoredObject

PART_BYTES = 2 * 1024 * 1024
"""How much is asked for at a time. Clients put each answer together from pieces, and so hold it twice for a moment."""
_LOOK_SECONDS = 0.1
_THREADS = 4
_PARTS = 6
"""How many parts are ahead of one reader; more are held by clients than they are faster for."""
_PIECE_BYTES = 1024 * 1024


class _Part(NamedTuple):
    found: StoredObject
    start: int
    end: int


_Task = tuple[_Part, "Future[bytes]"]


class ObjectsAhead:
    """Reads objects in order.

    Args:
        objects: All that will be read, in their order.
        control: What stops the reading, and whose lanes say how much may be held.
    """

    def __init__(self, objects: Iterable[StoredObject], control: Control) -> None:
        self._control = control
        self._lanes = control.lanes
        self._parts = _parts(objects)
        self._ahead: deque[_Task] = deque()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads = 0
        self._reserved = 0
        self._left: memoryview = memoryview(b"")
        self._part: _Part | None = None
        self._lanes.begin_reading()

    def readinto(self, buffer: memoryview) -> int:
        """Fill (part of) a buffer with the next bytes; no buffer holds bytes of two objects.

        Raises:
            SourceChangedError: The object is not what it was.
            SourceError, DeniedError: It cannot be read.
            CancelledError: The switch was flipped.
        """
        if not self._left:
            self._control.check()
            self._left = memoryview(self._next())
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        """Stop fetching, and let go of what is held."""
        for _, future in self._ahead:
            future.cancel()
        for _ in range(self._threads):
            self._tasks.put(None)
        self._ahead.clear()
        self._left = memoryview(b"")
        self._lanes.release(self._reserved)
        self._reserved = 0
        self._lanes.end_reading()

    def _next(self) -> bytes:
        self._fill()
        if self._part is None and self._ahead:
            future = self._ahead.popleft()[1]
            while not wait([future], _LOOK_SECONDS).done:
                self._control.check()
            data = future.result()
            self._reserved -= 1  # what is copied out next is not replaced before that is done
            self._lanes.release(1)
            return data
        part = self._part or next(self._parts)
        end = min(part.start + _PIECE_BYTES, part.end)
        self._part = part._replace(start=end) if end < part.end else None
        return part.found.read(part.start, end)

    def _fill(self) -> None:
        while self._part is None and len(self._ahead) < min(_PARTS, self._lanes.share) and self._lanes.reserve():
            part = next(self._parts, None)
            if part is None:
                self._lanes.release(1)
                return
            self._reserved += 1
            task = (part, Future[bytes]())
            self._ahead.append(task)
            self._tasks.put(task)
            if self._threads < min(_THREADS, len(self._ahead)):
                self._threads += 1
                threading.Thread(target=_work, args=(self._tasks,), name="kitops-object", daemon=True).start()


def _parts(objects: Iterable[StoredObject]) -> Iterator[_Part]:
    for found in objects:
        for start in range(0, found.size, PART_BYTES):
            yield _Part(found, start, min(start + PART_BYTES, found.size))


def _work(tasks: SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        _fetch(*task)
        del task  # with the part that it was given: nothing is held while the next one is waited for


def _fetch(part: _Part, future: Future[bytes]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(part.found.read(part.start, part.end))
        except BaseException as error:
            future.set_exception(error)

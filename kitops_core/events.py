"""Progress as events, and the switch that stops an operation.

The engine draws nothing and logs nothing: it tells a callback what it is doing. A :class:`Control` travels
with every operation, carries the callback and the cancel switch, and may be shared by several threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol
from weakref import WeakValueDictionary

from kitops_core.errors import CancelledError
from kitops_core.lanes import MOST_ASKING, Lanes

Phase = Literal["start", "advance", "finish", "retry", "warning"]
Outcome = Literal["", "written", "present", "mounted", "unpacked"]


@dataclass(frozen=True)
class Event:
    """One step of an operation.

    Attributes:
        phase: ``start`` and ``finish`` frame one blob; ``advance`` says how far it is; ``retry`` and
            ``warning`` carry a sentence in ``detail``.
        name: What is moving, for a person: a path in the kit, ``config`` or ``manifest``.
        done: Bytes of it done so far.
        total: Bytes in all, or ``None`` where that cannot be known beforehand (a compressed layer).
        outcome: With ``finish``: ``written`` (bytes were moved), ``present`` (they were there already),
            ``mounted`` (the registry took them from another repository), ``unpacked``.
        detail: A sentence for ``retry`` and ``warning``.
    """

    phase: Phase
    name: str
    done: int = 0
    total: int | None = None
    outcome: Outcome = ""
    detail: str = ""


class Stoppable(Protocol):
    """Something that may be deep in a wait when a switch is flipped."""

    def stop_cancelled(self) -> None:
        """End at once whatever waits for an operation that was cancelled; called by whoever flips the switch."""


class Cancel:
    """A switch, safe to flip from another thread or a signal handler."""

    def __init__(self) -> None:
        self._flipped = False
        # A lock that opens once: an event takes a lock of its own, for which a signal handler could wait for ever.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._waiting: WeakValueDictionary[int, Stoppable] = WeakValueDictionary()

    def cancel(self) -> None:
        """Ask every operation that holds this switch to stop at its next buffer, or in the middle of a wait."""
        first, self._flipped = not self._flipped, True
        if first:
            self._open()
        for found in self._waiting.valuerefs():
            if (waiting := found()) is not None:
                waiting.stop_cancelled()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._flipped

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds``, or until cancelled; true when cancelled."""
        if not self._flipped and self._gate.acquire(timeout=seconds):
            self._open()  # for the next one who waits
        return self._flipped

    def stops(self, waiting: Stoppable) -> None:
        """Have something stopped, too, when the switch is flipped, for as long as it is there."""
        self._waiting[id(waiting)] = waiting

    def _open(self) -> None:
        with suppress(RuntimeError):  # it is open
            self._gate.release()


class Control:
    """What travels with an operation: where its events go, whether it should stop, how many connections it uses.

    Attributes:
        lanes: How many transfers may go on at a time.
    """

    def __init__(
        self, on_event: Callable[[Event], None] | None = None, cancel: Cancel | None = None, *also: Cancel
    ) -> None:
        self._on_event = on_event
        self._cancel = cancel or Cancel()
        self._also = also
        self.lanes = Lanes()
        self._lock = threading.Lock()
        self._meanwhile: deque[str] = deque()
        self._reminded: dict[str, float] = {}

    def linked(self, stop: Cancel) -> Control:
        """A control that reports to the same place and also stops when ``stop`` is flipped."""
        linked = Control(self.emit, self._cancel, *self._also, stop)
        linked.lanes = self.lanes
        linked._reminded = self._reminded
        return linked

    def asking(self) -> Control:
        """A control that reports to the same place and stops with this one, for many requests of little things."""
        asking = self.linked(Cancel())
        asking.lanes = Lanes(MOST_ASKING)
        return asking

    def emit(self, event: Event) -> None:
        """Hand an event to the callback; calls from several threads come one at a time."""
        if self._on_event is not None:
            with self._lock:
                self._on_event(event)

    def remind(self, about: str, every: float, event: Event) -> None:
        """Hand an event on, unless one about the same was in the last ``every`` seconds: many may wait for it."""
        now = time.monotonic()
        if now - self._reminded.get(about, -every) >= every:
            self._reminded[about] = now
            self.emit(event)

    @property
    def cancelled(self) -> bool:
        """Whether a switch was flipped."""
        return self._cancel.cancelled or any(switch.cancelled for switch in self._also)

    def check(self) -> None:
        """Raise :class:`CancelledError` when a switch was flipped; called between buffers."""
        if self.cancelled:
            raise CancelledError("cancelled")

    def stops(self, waiting: Stoppable) -> None:
        """Have something stopped, too, when a switch is flipped, for as long as it is there."""
        for switch in (self._cancel, *self._also):
            switch.stops(waiting)

    def import_meanwhile(self, *modules: str) -> None:
        """Have modules imported while the next answer is on its way: a command that starts has many to import."""
        self._meanwhile.extend(modules)

    def use_the_wait(self) -> bool:
        """Import what is needed next, now that there is an answer to wait for; false where there was nothing to do."""
        if not self._meanwhile:
            return False
        while self._meanwhile:
            with suppress(IndexError):  # another thread took it
                import_module(self._meanwhile.popleft())
        return True

    def sleep(self, seconds: float) -> None:
        """Wait between retries; raises :class:`CancelledError` soon after a switch is flipped."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            self._cancel.wait(min(left, 0.1))
        self.check()

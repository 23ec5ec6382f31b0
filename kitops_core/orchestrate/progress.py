"""Progress as lines of a log: what became of each blob, how far a large one is, and every retry."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from kitops_core.events import Event
from kitops_core.wording import size_text

LINE_EVERY = 10.0
"""Seconds between two lines about one blob."""


class Log(Protocol):
    """What a logger of Python's, and those that orchestrators have instead, can do."""

    def info(self, message: str, /, *args: object) -> None:
        """Say how it goes."""

    def warning(self, message: str, /, *args: object) -> None:
        """Say what may be wrong."""


def logged(log: Log, *, clock: Callable[[], float] = time.monotonic) -> Callable[[Event], None]:
    """A callback for a client that writes to a log; calls come one at a time.

    Args:
        log: The log.
        clock: Seconds that go by.
    """
    begun: dict[str, tuple[float, int]] = {}
    told: dict[str, float] = {}

    def on_event(event: Event) -> None:
        now, name = clock(), event.name
        if event.phase == "finish":
            begun.pop(name, None)
            log.info("%s %s, %s", name, event.outcome or "done", size_text(event.done))
        elif event.phase in ("retry", "warning"):
            log.warning("%s: %s", name, event.detail)
        elif event.phase == "start" or name not in begun or event.done < begun[name][1]:  # it may begin again
            begun[name], told[name] = (now, event.done), now
        elif now - told[name] >= LINE_EVERY:
            told[name] = now
            log.info("%s: %s", name, _how_far(event, *begun[name], now))

    return on_event


def _how_far(event: Event, since: float, before: int, now: float) -> str:
    rate = (event.done - before) / (now - since)
    of = "" if event.total is None else f" of {size_text(event.total)}"
    left = f", {(event.total - event.done) / rate:.0f} s left" if event.total is not None and rate else ""
    return f"{size_text(event.done)}{of}, {size_text(int(rate))}/s{left}"

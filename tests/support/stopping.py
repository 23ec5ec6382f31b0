"""How long it takes from the flip of the switch until an operation has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control

SOON = 0.2
"""Seconds within which whoever was told to stop has stopped; it takes milliseconds."""


def seconds_to_stop(
    work: Callable[[Control], object], *, when: Callable[[], bool], cancel: Cancel | None = None
) -> float:
    """Seconds from the flip of the switch to the end of ``work``, which it has to end.

    The time in which ``work`` stood in line for a processor that others used is not counted.

    Args:
        work: Waits for something.
        when: Whether it waits already.
        cancel: The switch.
    """
    cancel = cancel or Cancel()
    flipped: list[tuple[float, float]] = []
    worker = threading.get_native_id()

    def flip() -> None:
        deadline = time.monotonic() + 10
        while not when() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        flipped.append((time.monotonic(), _queued_seconds(worker)))
        cancel.cancel()

    thread = threading.Thread(target=flip)
    thread.start()
    with pytest.raises(CancelledError):
        work(Control(cancel=cancel))
    ended, queued = time.monotonic(), _queued_seconds(worker)
    thread.join()
    return ended - flipped[0][0] - (queued - flipped[0][1])


def _queued_seconds(thread: int) -> float:
    with suppress(OSError, ValueError, IndexError), open(f"/proc/self/task/{thread}/schedstat") as file:
        return int(file.read().split()[1]) / 1e9
    return 0.0  # not every system tells

"""What surrounds every operation: its progress is shown, and Ctrl-C or SIGTERM stop it cleanly."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from kitops_core.cli.failures import CANCELLED
from kitops_core.cli.progress import reporter
from kitops_core.cli.settings import Settings
from kitops_core.events import Cancel
from kitops_core.lanes import at_most

if TYPE_CHECKING:
    from kitops_core.client import Client

_STOPPING = b"\nstopping; nothing half-written will stay (again to leave at once)\n"
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def connect(settings: Settings, *, written: str = "sent", **how: Any) -> Iterator[Client]:
    """The client that a command works with: its progress is shown, and the first signal stops it.

    Args:
        settings: Where the store is, how to talk to registries, how to show progress.
        written: What to call a blob that was moved: ``sent``, ``fetched``.
        how: Further arguments of :class:`~kitops_core.client.Client`.
    """
    with (
        stoppable() as cancel,
        reporter(settings, written) as on_event,
        at_most(settings.concurrency),
        settings.client(on_event=on_event, cancel=cancel, **how) as client,
    ):
        yield client


@contextmanager
def stoppable() -> Iterator[Cancel]:
    """A switch that the first SIGINT or SIGTERM flips; a second one ends the process where it is."""
    cancel = Cancel()
    if threading.current_thread() is not threading.main_thread():
        yield cancel  # signals are the main thread's
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        # Not through buffers: the interrupted code may be writing to them.
        if cancel.cancelled:
            if os.isatty(2):
                os.write(2, _SHOW_CURSOR)
            os._exit(CANCELLED)  # threads that wait for a silent registry would keep any gentler exit waiting
        cancel.cancel()
        if number == signal.SIGINT:
            os.write(2, _STOPPING)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

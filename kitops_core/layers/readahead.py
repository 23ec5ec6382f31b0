"""Reading ahead: many small files that are not in memory yet are read several times as fast when asked for at once."""

from __future__ import annotations

import os
import threading
from itertools import islice
from time import perf_counter

from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import FIELDS, SIZE

_SLOW_SECONDS = 100e-6  # a file; one in memory takes a fifth of that, one on a disk twice as much or more
_FILES_AHEAD = 512
_BYTES_AHEAD = 256 * 1024  # of each; beyond that the system reads ahead by itself


class ReadAhead:
    """Watches how fast a layer's files are read, and starts a thread that asks for the next ones when that is slow.

    Asking is all the thread does (``posix_fadvise``): it holds no data, and its errors are the reader's to find.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self._plan = plan
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._position = 0
        self._since = perf_counter()

    def pause(self, position: int) -> None:
        """The reader has read the first ``position`` members, and goes on after :meth:`resume`."""
        files = position - self._position
        self._position = position
        slow = perf_counter() - self._since > files * _SLOW_SECONDS
        if slow and files >= 8 and not (self._plan.has_objects or self._thread) and hasattr(os, "posix_fadvise"):
            self._thread = threading.Thread(target=self._run, name="kitops-readahead", daemon=True)
            self._thread.start()

    def resume(self) -> None:
        """The reader goes on."""
        self._since = perf_counter()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        start = self._position
        for number, (folder, index) in enumerate(islice(self._plan.members(), start, None), start):
            while number > self._position + _FILES_AHEAD:
                if self._stop.wait(0.002):
                    return
            if self._stop.is_set():
                return
            size = folder.stats[index * FIELDS + SIZE]
            if index in folder.folders or index in folder.links or not size or number < self._position:
                continue
            try:
                path = folder.path(folder.names[index])
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                os.posix_fadvise(handle, 0, min(size, _BYTES_AHEAD), os.POSIX_FADV_WILLNEED)
            except OSError:
                return  # not a file that this can be asked of: the reader will say what it is instead
            finally:
                os.close(handle)

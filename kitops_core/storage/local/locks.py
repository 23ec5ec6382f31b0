"""Locks between processes that the kernel lets go of when their holder dies.

Built on ``flock``: lock libraries know exclusive locks only, or leave a file behind a killed process.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path

from kitops_core.errors import StoreError
from kitops_core.events import Control
from kitops_core.storage.local.files import store_errors

_FIRST_POLL_SECONDS = 0.001
_POLL_SECONDS = 0.02


class FileLock:
    """A lock on a file, held from here until :meth:`release`, the end of a ``with`` block, or the process's end.

    Each lock opens the file anew, so threads exclude each other as processes do.

    Args:
        path: The file; made if missing, never removed.
        shared: Whether others may hold it shared at the same time.
        control: Waiting stops when it is cancelled.
        patience: How many seconds to wait; ``None`` waits for ever.

    Raises:
        StoreError: The file cannot be opened or locked, or patience ran out.
        CancelledError: ``control`` was cancelled while waiting.
    """

    def __init__(
        self, path: Path, *, shared: bool = False, control: Control | None = None, patience: float | None = None
    ) -> None:
        with store_errors("lock", path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        # A repository that nobody closed must not hold up the collector for the rest of the process.
        self._fd = fd
        self._close = weakref.finalize(self, os.close, fd)
        try:
            with store_errors("lock", path):
                _lock(fd, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, control or Control(), patience)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._close.alive:
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # closing is not enough while a forked child has the file open too
            self._close()

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lock(fd: int, path: Path, kind: int, control: Control, patience: float | None) -> None:
    deadline = None if patience is None else time.monotonic() + patience
    poll = _FIRST_POLL_SECONDS  # most locks are held for a moment only
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                raise StoreError(
                    f"{path} is still locked after {patience:g} s: another process is writing to the store",
                    hint="try again when it is done, and close repositories that are open in this process",
                ) from None
            control.sleep(poll)
            poll = min(poll * 2, _POLL_SECONDS)
        else:
            return

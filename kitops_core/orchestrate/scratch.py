"""A directory for files on their way into a kit, which goes with its process: also where that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kitops_core.errors import StoreError
from kitops_core.events import Control
from kitops_core.storage.local.locks import FileLock


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """An empty directory below the system's one for temporary files, for the length of the block.

    What earlier processes of this user left under the same prefix, because they were killed, is removed first.

    Args:
        prefix: What the directories' names begin with.
    """
    _sweep(Path(tempfile.gettempdir()), prefix)
    with ExitStack() as stack:
        files = None
        while files is None:
            files = _made(prefix, stack)
        yield files


def _made(prefix: str, stack: ExitStack) -> Path | None:
    """A directory that goes with the stack; ``None`` if another's sweep took it before it was locked."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    stack.enter_context(FileLock(directory / ".lock"))
    try:
        (directory / "files").mkdir()
    except FileNotFoundError:
        return None
    return directory / "files"


def _sweep(parent: Path, prefix: str) -> None:
    for directory in parent.glob(f"{prefix}*"):
        lock = directory / ".lock"
        with suppress(OSError, StoreError):  # somebody else's, in use, or gone meanwhile
            if directory.is_symlink() or directory.lstat().st_uid != os.getuid() or not lock.is_file():
                continue
            with FileLock(lock, control=Control(), patience=0):
                shutil.rmtree(directory, ignore_errors=True)

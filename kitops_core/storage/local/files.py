"""Directories and small files of a store: made, replaced atomically and flushed, with errors a person can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kitops_core.errors import StoreError

_OPEN_ATTEMPTS = 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def store_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a :class:`StoreError` that says what could not be done, where, and what to do.

    Args:
        doing: A verb in the infinitive, as in "cannot write /path".
        path: What it is done to.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(f"cannot {doing} {path}: {reason}", hint=_hint(error.errno, path)) from error


def _hint(number: int | None, path: Path) -> str:
    if number in _FULL:
        return f"free some space where {path.parent} is (`kitops gc` removes what no kit uses), or set KITOPS_HOME"
    if number == errno.EFBIG:
        return f"raise the file size limit (`ulimit -f`), or keep {path.parent} where larger files can be"
    if number in _REFUSED:
        return f"make {path.parent} writable for this user, or set KITOPS_HOME to a directory that is"
    if number == errno.ENAMETOOLONG:
        return "use a shorter name: the store's file names hold the whole registry/repository"
    if number in (errno.ENOTDIR, errno.EEXIST):
        return f"something that is not a directory is in the way at {path} or above it"
    return ""


def make_directory(path: Path) -> None:
    """Make a directory and its parents, if missing.

    Raises:
        StoreError: It cannot be made.
    """
    with store_errors("make the directory", path):
        path.mkdir(parents=True, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Flush the names in a directory to the disk.

    Raises:
        StoreError: It cannot be flushed.
    """
    with store_errors("flush", path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class ScratchFile:
    """A new file aside from where it will be, removed at the end of the ``with`` block unless it was put in place.

    Args:
        directory: Where it is written; made if missing, on the file system of its later place.
        mode: Permission bits, less the umask.

    Raises:
        StoreError: It cannot be made, written, flushed or put in place.
    """

    def __init__(self, directory: Path, mode: int = 0o600) -> None:
        self.path = directory / f"{os.urandom(16).hex()}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        for attempt in range(_OPEN_ATTEMPTS):
            make_directory(directory)
            with store_errors("write", self.path):
                try:
                    self.fd = os.open(self.path, flags, mode)
                    break
                except FileNotFoundError:  # another process that was done has just removed the empty directory
                    if attempt == _OPEN_ATTEMPTS - 1:
                        raise

    def write(self, data: bytes | memoryview) -> None:
        """Append all of ``data``."""
        with store_errors("write", self.path):
            left = memoryview(data)
            while left:
                left = left[os.write(self.fd, left) :]

    def flush(self) -> None:
        """Flush its bytes to the disk."""
        with store_errors("flush", self.path):
            os.fsync(self.fd)

    def set_mode(self, mode: int) -> None:
        """Set its permission bits, whatever the umask."""
        with store_errors("write", self.path):
            os.fchmod(self.fd, mode)

    def put(self, path: Path) -> None:
        """Put it in place, atomically, over what may be there."""
        with store_errors("write", path):
            os.replace(self.path, path)

    def __enter__(self) -> ScratchFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with store_errors("write", self.path):
                os.close(self.fd)
        finally:
            with suppress(OSError):
                os.unlink(self.path)


def replace_file(path: Path, data: bytes, scratch: Path, *, fsync: bool) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, never a part.

    Args:
        path: The file.
        data: All its bytes.
        scratch: A directory on the same file system, where it is written first.
        fsync: Whether its bytes are flushed before it takes its name.

    Raises:
        StoreError: It cannot be written.
    """
    with ScratchFile(scratch, 0o666) as new:
        new.write(data)
        if fsync:
            new.flush()
        new.put(path)


def remove_file(path: Path) -> None:
    """Remove a file if it is there.

    Raises:
        StoreError: It cannot be removed.
    """
    with store_errors("remove", path):
        path.unlink(missing_ok=True)

"""Directories for files on their way, and the one rule by which those of processes that died are found and removed.

A staged directory is called ``<prefix><12 hex digits>``, only its owner may enter it, and it holds ``files`` and
``lock``. The lock is held as long as the process lives, so the kernel tells which of them nobody uses any more, also
after SIGKILL; where locks are not supported, or the lock is missing, only a day's age tells.

They lie beside what is unpacked, where the next unpacking to the same place looks for them, and in the system's
directory for temporary files (:func:`scratch`), where every process that stages there, and `kitops gc`, looks for all.

What is worth more than its files, a kit that could not be pushed, is kept in the local store under :data:`UNPUSHED`
until it is; nobody removes one but who asks for that by its age (:mod:`kitops_core.kits.collect`).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from kitops_core.errors import StoreError

STALE_SECONDS = 24 * 3600
"""Age at which a staged directory that carries no usable lock counts as left behind."""

UNPUSHED = "unpushed/"
"""What the names of kits in the local store begin with that wait for being pushed."""

_ANY_PURPOSE = "kitops-[a-z]+-"


class Swept(NamedTuple):
    """What processes that died had left.

    Attributes:
        directories: How many staged directories.
        size: The bytes of their files.
    """

    directories: int
    size: int


class StagedDirectory:
    """A staged directory that this process holds until :meth:`discard`.

    Args:
        place: The directory to make it in.
        prefix: What its name begins with.

    Attributes:
        files: Where the files go; with the mode that a directory has by default.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, place: Path, prefix: str) -> None:
        self._lock = -1
        self._outer: Path | None = None
        try:
            while not self._try(place / f"{prefix}{secrets.token_hex(6)}"):
                pass
        except BaseException:
            self.discard()
            raise

    def _try(self, outer: Path) -> bool:
        """Make and lock it; false when a process that cleans up took it for a stale one just before."""
        outer.mkdir(0o700)
        self._outer = outer
        self.files = outer / "files"
        try:
            self._lock = os.open(outer / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _take(self._lock, unsupported=True) and os.fstat(self._lock).st_nlink:
                self.files.mkdir(0o755)
                return True
        except FileNotFoundError:
            pass
        self.discard()
        return False

    def discard(self) -> None:
        """Remove it with all that is still in it; a second call does nothing."""
        if self._outer is not None:
            shutil.rmtree(self._outer, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock, self._outer = -1, None


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """An empty directory below the system's one for temporary files, which goes with the block.

    What processes of this user that were killed left there is removed first, whatever it was for.

    Args:
        purpose: A word of small letters for its name, so that people see whose it is.

    Raises:
        StoreError: No directory for temporary files can be written.
    """
    sweep_scratch()
    try:
        made = StagedDirectory(_temporary(), f"kitops-{purpose}-")
    except OSError as error:
        raise StoreError(
            f"there is no directory for temporary files: {error.strerror}",
            hint="set TMPDIR to a directory that this user may write, or hand over files that are on disk already",
        ) from None
    try:
        yield made.files
    finally:
        made.discard()


def sweep_scratch(*, dry_run: bool = False) -> Swept:
    """Remove what killed processes of this user left among the temporary files; ``dry_run`` only counts it."""
    return sweep(_temporary(), _ANY_PURPOSE, dry_run=dry_run)


def _temporary() -> Path:
    """Where temporary files go: memory where no directory can be written, as where a container's root is read-only."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path("/dev/shm")  # noqa: S108 - what is made there is private, and its name is random


def sweep(place: Path, prefix: str, *, dry_run: bool = False) -> Swept:
    """Remove staged directories that no process uses any more: ours by owner and name, and unlocked or old.

    Args:
        place: The directory to look in.
        prefix: What their names begin with, a regular expression.
        dry_run: Only count them.
    """
    pattern = re.compile(f"{prefix}[0-9a-f]{{12}}")
    directories = size = 0
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with suppress(OSError):  # gone meanwhile
                if not pattern.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
                    continue
                found = entry.stat(follow_symlinks=False)
                if found.st_uid == os.geteuid():
                    freed = _remove(Path(entry.path), time.time() - found.st_mtime > STALE_SECONDS, dry_run)
                    directories, size = directories + (freed is not None), size + (freed or 0)
    return Swept(directories, size)


def _remove(outer: Path, is_old: bool, dry_run: bool) -> int | None:
    """Remove one if it is left behind; gives its bytes, ``None`` where it stays."""
    try:
        lock = os.open(outer / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        lock = -1
    try:
        if not (is_old if lock < 0 else _take(lock, unsupported=is_old)):
            return None
        size = sum(os.lstat(os.path.join(top, name)).st_size for top, _, names in os.walk(outer) for name in names)
        if not dry_run:
            shutil.rmtree(outer, ignore_errors=True)
        return size
    finally:
        if lock >= 0:
            os.close(lock)


def _take(fd: int, *, unsupported: bool) -> bool:
    """Lock a file without waiting; ``unsupported`` is the answer of a file system that cannot lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unsupported
    return True

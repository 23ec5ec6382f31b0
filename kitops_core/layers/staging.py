"""A directory beside the target that files are unpacked into, and the move from there to the target.

Nothing is seen at the target before :meth:`Staging.publish`, and that only renames: within one file system, so that
no byte is copied. Whatever goes wrong before, the staging directory goes and the target is as it was.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from types import TracebackType

from kitops_core.errors import ConflictError, StoreError
from kitops_core.layers.publish import Existing, PublishReport, opened, publish, same_mount
from kitops_core.layers.tree import OPEN_DIRECTORY, Tree

STALE_SECONDS = 24 * 3600
"""Age at which a staging directory that carries no usable lock counts as left behind."""


class Staging:
    """A staging directory for one target: a context manager, used by one unpacking.

    It is called ``.<target name>.kitops-<random>`` and only its owner may enter it. It lies beside the target, or
    inside where that is the only place on the same file system (a mounted volume) or the only one that may be
    written. It holds the tree to publish and a locked file; a process that is killed loses the lock, and the next
    unpacking to the same target removes what it left.

    Attributes:
        target: Where the files will go: absolute, with symbolic links resolved, because the user named it.
        path: The directory to unpack into.
        fd: A descriptor of it.
    """

    def __init__(self, target: Path) -> None:
        """Prepare to unpack to ``target``, a directory that need not exist; nothing is made before ``with``."""
        self.target = Path(os.path.realpath(target))
        self.path = self.target
        self.fd = -1
        self._outer: Path | None = None
        self._lock = -1
        self._made_parents: list[Path] = []

    def __enter__(self) -> Staging:
        """Make the directory, and the target's missing parents; remove what killed processes left.

        Raises:
            ConflictError: The target is a file.
            StoreError: No directory can be made there.
        """
        try:
            if self.target.exists() and not self.target.is_dir():
                raise ConflictError(f"{self.target} is not a directory", hint="unpack to another directory")
            self._make_parents()
            self._make_directory()
        except OSError as error:
            self._clean_up()
            raise StoreError(
                f"cannot make a directory to unpack to {self.target}: {error.strerror}",
                hint="unpack where you may write and where there is space",
            ) from None
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clean_up()

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file of our own among what the layers held, the Kitfile say.

        Raises:
            UnsafeLayerError: A layer brought a file of that name.
            StoreError: The file system refuses.
        """
        with Tree(self.fd, "the kit") as tree:
            tree.write_file(os.fsencode(path), mode, memoryview(data), len(data), lambda: memoryview(b""))

    def publish(self, existing: Existing = "refuse") -> PublishReport:
        """Move everything to the target; ends the use of :attr:`path`.

        A target that does not exist appears at once, complete. In one that exists, each file appears complete.

        Args:
            existing: What becomes of files that exist at the target.

        Raises:
            ConflictError: Files are in the way, or a file is where a directory must go or the reverse. All are found
                before anything is moved.
            StoreError: The file system refuses.
        """
        report = publish(self.path, self.target, existing)
        self._made_parents.clear()
        return report

    def _make_parents(self) -> None:
        missing = []
        parent = self.target.parent
        while not parent.exists():
            missing.append(parent)
            parent = parent.parent
        for path in reversed(missing):
            with contextlib.suppress(FileExistsError):
                path.mkdir(0o755)
                self._made_parents.append(path)

    def _make_directory(self) -> None:
        prefix = f".{self.target.name[:50]}.kitops-"
        places = [self.target.parent]
        if self.target.is_dir():
            places = [*places, self.target] if _renames_between(self.target.parent, self.target) else [self.target]
        for place in places:
            _remove_stale(place, prefix)
        for place in places:
            try:
                while not self._try(place / f"{prefix}{secrets.token_hex(6)}"):
                    pass
                return
            except OSError as error:
                if place is places[-1] or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise

    def _try(self, outer: Path) -> bool:
        """Make and lock the directory; false when a process that cleans up took it for a stale one just before."""
        outer.mkdir(0o700)
        self._outer = outer
        try:
            self._lock = os.open(outer / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if not _lock(self._lock, unsupported=True) or os.fstat(self._lock).st_nlink == 0:
                self._discard()
                return False
            self.path = outer / "files"
            self.path.mkdir(0o755)  # with the mode the target will have, less the umask
            self.fd = os.open(self.path, OPEN_DIRECTORY)
        except FileNotFoundError:
            self._discard()
            return False
        return True

    def _discard(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        if self._outer is not None:
            shutil.rmtree(self._outer, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
        self.fd, self._outer, self._lock = -1, None, -1

    def _clean_up(self) -> None:
        self._discard()
        with contextlib.suppress(OSError):  # someone else put something there
            while self._made_parents:
                self._made_parents.pop().rmdir()


def _renames_between(one: Path, other: Path) -> bool:
    if os.path.ismount(other):
        return False
    try:
        with opened(one) as source, opened(other) as destination:
            return same_mount(source, destination)
    except PermissionError:  # a parent that may be passed but not read: nothing can be made there either
        return False


def _lock(fd: int, *, unsupported: bool) -> bool:
    """Lock a file without waiting; ``unsupported`` is the answer of a file system that cannot lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unsupported
    return True


def _remove_stale(place: Path, prefix: str) -> None:
    """Remove staging directories that no process uses any more: ours by owner and name, and unlocked or old."""
    pattern = re.compile(re.escape(prefix) + "[0-9a-f]{12}")
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid == os.geteuid():
                    _remove_if_stale(Path(entry.path), time.time() - found.st_mtime > STALE_SECONDS)


def _remove_if_stale(outer: Path, is_old: bool) -> None:
    try:
        lock = os.open(outer / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        if is_old:
            shutil.rmtree(outer, ignore_errors=True)
        return
    try:
        if _lock(lock, unsupported=is_old):
            shutil.rmtree(outer, ignore_errors=True)
    finally:
        os.close(lock)

"""A directory beside the target that files are unpacked into, and the move from there to the target.

Nothing is seen at the target before :meth:`Staging.publish`, and that only renames: within one file system, so that
no byte is copied. Whatever goes wrong before, the staging directory goes and the target is as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from types import TracebackType

from kitops_core.errors import ConflictError, StoreError
from kitops_core.layers.publish import Existing, PublishReport, opened, publish, same_mount
from kitops_core.layers.tree import OPEN_DIRECTORY, Tree
from kitops_core.staged import StagedDirectory, sweep


class Staging:
    """A staging directory for one target: a context manager, used by one unpacking.

    It is called ``.<target name>.kitops-<random>`` and only its owner may enter it. It lies beside the target, or
    inside where that is the only place on the same file system (a mounted volume) or the only one that may be
    written. What a process that was killed left, the next unpacking to the same target removes
    (:mod:`kitops_core.staged`).

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
        self._made: StagedDirectory | None = None
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
            sweep(place, re.escape(prefix))
        for place in places:
            try:
                self._made = StagedDirectory(place, prefix)
                self.path = self._made.files
                self.fd = os.open(self.path, OPEN_DIRECTORY)
                return
            except OSError as error:
                if place is places[-1] or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise

    def _discard(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        if self._made is not None:
            self._made.discard()
        self.fd, self._made = -1, None

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

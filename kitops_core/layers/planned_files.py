"""The files of a plan, opened to be read once, and held against what was planned after that."""

from __future__ import annotations

import errno
import os
import stat

from kitops_core.errors import SourceChangedError, SourceError
from kitops_core.events import Control
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import DEVICE, INODE, MODE, SIZE, Folder, stamp
from kitops_core.objects.store import ObjectStore, StoredObject
from kitops_core.oci.blob import BUFFER_BYTES

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No links but those that were planned, and no waiting where a file was replaced by a FIFO."""
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE)


class _File:
    """A planned file that is open."""

    __slots__ = ("_expected", "_handle", "_name")

    def __init__(self, handle: int, name: bytes, expected: tuple[int, ...]) -> None:
        self._handle = handle
        self._name = name
        self._expected = expected
        if expected[SIZE] > BUFFER_BYTES:
            _verify(name, handle, expected)  # before much is read in vain
            _expect_all(handle)

    def readinto(self, buffer: memoryview) -> int:
        return os.readv(self._handle, [buffer])

    def finish(self, left: int) -> None:
        """See that what was read is what was planned, with ``left`` bytes that did not come."""
        if left or stamp(os.fstat(self._handle)) != self._expected:
            _verify(self._name, self._handle, self._expected)
            raise _changed(self._name, f"ends {left} bytes before the size the file system says")

    def close(self) -> None:
        os.close(self._handle)


class _Objects:
    """The objects among planned files, read ahead in their order; each is looked at again once it was read."""

    def __init__(self, plan: LayerPlan, control: Control) -> None:
        from kitops_core.objects.ahead import ObjectsAhead  # with its threads, for objects only

        stored = (folder.stored(index) for folder, index in plan.members())
        self._ahead = ObjectsAhead((found for found in stored if found is not None), control)
        self.readinto = self._ahead.readinto
        self._unchecked: dict[ObjectStore, list[StoredObject]] = {}
        self._found: StoredObject | None = None

    def open(self, found: StoredObject) -> _Objects:
        self._found = found
        return self

    def finish(self, left: int) -> None:
        """Remember small objects, which are looked at together in the end; a large one is looked at now."""
        found = self._found
        if found is None or left:  # an object that ends early raises before
            raise ValueError(f"{left} bytes of no object are left")
        if found.size > BUFFER_BYTES:
            found.store.check_unchanged([found])
        else:
            self._unchecked.setdefault(found.store, []).append(found)

    def close(self) -> None:
        self._found = None

    def finish_all(self) -> None:
        for store, objects in self._unchecked.items():
            store.check_unchanged(objects)

    def close_all(self) -> None:
        self._ahead.close()


class PlannedFiles:
    """Opens planned files, in the directory that the last one was in where they share it."""

    def __init__(self, plan: LayerPlan, control: Control) -> None:
        self._folder: Folder | None = None
        self._handle: int | None = None
        self._objects = _Objects(plan, control) if plan.has_objects else None

    def open(self, folder: Folder, index: int, name: bytes, expected: tuple[int, ...]) -> _File | _Objects:
        """A planned file, to be read to its end."""
        if self._objects is not None:
            found = folder.stored(index)
            if found is not None:
                return self._objects.open(found)
        return _File(self._descriptor(folder, index), name, expected)

    def finish(self) -> None:
        """See that no object changed while it was read."""
        if self._objects is not None:
            self._objects.finish_all()

    def close(self) -> None:
        """Let go of the directory, and of what was read ahead."""
        self._leave()
        if self._objects is not None:
            self._objects.close_all()

    def _descriptor(self, folder: Folder, index: int) -> int:
        if folder is not self._folder:
            self._leave()
            if folder.disk is not None:
                self._handle = os.open(folder.disk, _FLAGS | os.O_DIRECTORY)
            self._folder = folder
        name = folder.names[index]
        flags = _FLAGS & ~os.O_NOFOLLOW if index in folder.links else _FLAGS
        return os.open(name if self._handle is not None else folder.path(name), flags, dir_fd=self._handle)

    def _leave(self) -> None:
        self._folder = None
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _expect_all(handle: int) -> None:
    """Tell the system that a file will be read from front to end: it then reads further ahead."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def _verify(name: bytes, handle: int, expected: tuple[int, ...]) -> None:
    """Check that an open file is still what was planned; done after reading it, so that what was read is that too."""
    found = stamp(os.fstat(handle))
    if found == expected:
        return
    same_kind = stat.S_IFMT(found[MODE]) == stat.S_IFMT(expected[MODE])
    if not same_kind or found[INODE] != expected[INODE] or found[DEVICE] != expected[DEVICE]:
        raise _changed(name, "was replaced")
    if found[SIZE] < expected[SIZE]:
        raise _changed(name, f"shrank from {expected[SIZE]} to {found[SIZE]} bytes")
    if found[SIZE] > expected[SIZE]:
        raise _changed(name, f"grew from {expected[SIZE]} to {found[SIZE]} bytes")
    raise _changed(name, "was changed")


def _changed(name: bytes, how: str) -> SourceChangedError:
    return SourceChangedError.at(os.fsdecode(name), how)


def unreadable(name: bytes, error: OSError) -> SourceError:
    """Why a file on disk could not be opened or read."""
    if error.errno in _REPLACED:
        return _changed(name, "was removed or replaced")
    return SourceError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}")

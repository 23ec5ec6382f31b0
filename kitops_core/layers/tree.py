"""Files and directories made below one directory, by names nobody vouches for.

No path string is ever handed to the operating system: each component is opened relative to the descriptor of the
one before, never through a symbolic link, so a name cannot lead out of the tree, whatever is in it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from kitops_core.errors import KitOpsError, StoreError, UnsafeLayerError
from kitops_core.layers.tar_fields import show_name

MAX_DEPTH = 255
"""How deep a path may go: walking and removing a tree need a descriptor and a stack frame a level."""

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSAFE = {
    errno.EEXIST: "is there twice, or once as a file and once as a directory",
    errno.ENOTDIR: "lies below a file",
    errno.ELOOP: "lies below a symbolic link",
    errno.ENAMETOOLONG: "has a name too long for this file system",
    errno.EILSEQ: "has a name that this file system does not allow",
    errno.EINVAL: "has a name that this file system does not allow",
}
_HINTS = {
    errno.ENOSPC: "free some space, or unpack to another disk",
    errno.EDQUOT: "free some of your quota, or unpack to another disk",
    errno.EFBIG: "unpack to a file system that takes files of this size",
    errno.EACCES: "unpack where you may write",
    errno.EROFS: "unpack where you may write",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or unpack fewer layers at a time",
}


class Tree:
    """Makes files and directories below a root, remembering the directory it was last in.

    Several trees, in several threads, may share a root: a directory two of them make is one directory, and a
    file two of them make is an error for the second.
    """

    def __init__(self, root: int | Path, where: str) -> None:
        """Open ``root``, or use it where it is a descriptor (which stays the caller's); ``where`` names the layer."""
        self._where = where
        self._owned = not isinstance(root, int)
        if isinstance(root, int):
            self._root = root
        else:
            try:
                self._root = os.open(root, OPEN_DIRECTORY)
            except OSError as error:
                raise StoreError(f"cannot unpack to {root}: {error.strerror}") from None
        self._directory = b""  # with a final slash where it is not the root
        self._fd = self._root

    def write_file(self, name: bytes, mode: int, chunk: memoryview, size: int, more: Callable[[], memoryview]) -> int:
        """Create a file of ``size`` bytes from ``chunk`` and, until it is whole, from what ``more`` gives.

        Only permission bits are kept, less the umask: set-user-id, set-group-id and sticky bits would let a kit
        plant a program that runs with the rights of whoever unpacked it.

        Returns:
            How many bytes were written: fewer than ``size`` where ``more`` gave nothing any more.

        Raises:
            UnsafeLayerError: The name leads out of the tree, is in use, or is impossible here.
            StoreError: The file system refuses.
        """
        base = self._enter_parent(name)
        try:
            fd = os.open(base, _CREATE_FILE, mode & 0o777, dir_fd=self._fd)
        except OSError as error:
            raise self._failure(name, error) from None
        try:
            done = self._write(fd, chunk, name) if chunk else 0
            while done < size and chunk:
                chunk = more()
                done += self._write(fd, chunk, name)
        finally:
            try:
                os.close(fd)
            except OSError as error:  # a network file system may say only now that it has no room
                raise self._failure(name, error) from None
        return done

    def make_directory(self, name: bytes, mode: int = 0o755) -> None:
        """Create a directory unless it is there.

        Its owner may always read, write and enter it, whatever ``mode`` says: else it could not be filled or removed.

        Raises:
            UnsafeLayerError: The name leads out of the tree, is a file's, or is impossible here.
            StoreError: The file system refuses.
        """
        base = self._enter_parent(name)
        try:
            try:
                os.mkdir(base, mode & 0o777 | 0o700, dir_fd=self._fd)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(base, dir_fd=self._fd, follow_symlinks=False).st_mode):
                    raise
        except OSError as error:
            raise self._failure(name, error) from None

    def close(self) -> None:
        """Close what was opened."""
        self._leave()
        if self._owned:
            os.close(self._root)

    def __enter__(self) -> Tree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter_parent(self, name: bytes) -> bytes:
        """Go to the directory a name lies in, and return the rest of the name."""
        slash = name.rfind(b"/") + 1
        directory, base = name[:slash], name[slash:]
        if base in (b"", b".", b"..") or b"\0" in base:
            raise self._escapes(name)
        if directory != self._directory:
            try:
                self._enter(directory, name)
            except OSError as error:
                self._leave()
                raise self._failure(name, error) from None
        return base

    def _enter(self, directory: bytes, name: bytes) -> None:
        """Go to a directory, given with its final slash, making what is missing on the way."""
        if not directory.startswith(self._directory):  # else it is further down from here: the usual way in a tar
            self._leave()
        components = directory[len(self._directory) : -1].split(b"/") if directory else []
        if b"" in components or b"." in components or b".." in components or b"\0" in directory:
            raise self._escapes(name)
        if directory.count(b"/") > MAX_DEPTH:
            raise UnsafeLayerError(f"{self._where}: entry {show_name(name)} is more than {MAX_DEPTH} directories deep")
        for component in components:
            self._descend(component)
        self._directory = directory

    def _descend(self, component: bytes) -> None:
        try:
            fd = os.open(component, OPEN_DIRECTORY, dir_fd=self._fd)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # another layer's thread was faster
                os.mkdir(component, 0o755, dir_fd=self._fd)
            fd = os.open(component, OPEN_DIRECTORY, dir_fd=self._fd)
        if self._fd != self._root:
            os.close(self._fd)
        self._fd = fd

    def _leave(self) -> None:
        if self._fd != self._root:
            os.close(self._fd)
        self._fd = self._root
        self._directory = b""

    def _escapes(self, name: bytes) -> UnsafeLayerError:
        return UnsafeLayerError(
            f"{self._where}: entry {show_name(name)} has no safe name: it must be relative, without '.', '..' or "
            "empty parts"
        )

    def _write(self, fd: int, data: memoryview, name: bytes) -> int:
        try:
            count = os.write(fd, data)
            while count < len(data):
                count += os.write(fd, data[count:])
        except OSError as error:
            raise self._failure(name, error) from None
        return count

    def _failure(self, name: bytes, error: OSError) -> KitOpsError:
        entry = f"{self._where}: entry {show_name(name)}"
        if error.errno in _UNSAFE:
            return UnsafeLayerError(f"{entry} {_UNSAFE[error.errno]}")
        return StoreError(f"{entry} cannot be written: {error.strerror}", hint=_HINTS.get(error.errno or 0, ""))

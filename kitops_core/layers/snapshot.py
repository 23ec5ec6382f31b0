"""What is on disk: one walk over a context's files with ``stat``, kept small enough for millions of them.

A directory is one object with its names and one array of numbers, not an object a file. Names are bytes, as the file
system has them: they sort in byte order, and none is lost to decoding.
"""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from kitops_core.events import Control
from kitops_core.files.junk import is_junk
from kitops_core.files.links import follow
from kitops_core.kitfile.data import KITFILE_NAMES
from kitops_core.layers.ignore import IGNORE_FILE, IgnoreRules
from kitops_core.objects.store import StoredObject

MODE, SIZE, MTIME, CTIME, INODE, DEVICE = range(6)
FIELDS = 6
"""How many numbers :attr:`Folder.stats` has for each entry, in the order of the constants above."""

Stamp = tuple[int, int, int, int, int, int]

_KIT_ONLY: Stamp = (stat.S_IFDIR | 0o755, 0, 0, 0, 0, 0)  # a directory that no disk has
_CHECK_EVERY = 4096  # entries between two looks at the cancel switch

Node = bytes | StoredObject | dict[bytes, "Node"]
"""Where part of a context is: a path on disk, an object in a store, or a directory that only exists in the kit."""
Wanted = dict[bytes, "Wanted"] | None
"""Which names below a directory belong to some layer; ``None`` for all."""


class Folder:
    """A directory of the kit, as it was when it was looked at.

    Attributes:
        prefix: What comes before its entries' names in the kit: ``b"data/raw/"``, or ``b""`` for the root.
        listed: Whether it belongs into layers itself; false where the ignore rules only take back some of its content.
        names: Its entries' names, in byte order.
        stats: Six numbers for each of them, see :func:`stamp`.
        folders: Those entries that are directories, by index; all others are regular files.
        links: Indexes of the files that a symbolic link shows; the numbers are of the file.
    """

    __slots__ = ("_node", "folders", "links", "listed", "names", "prefix", "stats")

    def __init__(self, prefix: bytes, node: Node, *, listed: bool = True) -> None:
        """A directory without entries yet, at ``node``."""
        self.prefix = prefix
        self.listed = listed
        self.names: list[bytes] = []
        self.stats: array[int] = array("q")
        self.folders: dict[int, Folder] = {}
        self.links: set[int] = set()
        self._node = node

    @property
    def disk(self) -> bytes | None:
        """The directory's path on disk; ``None`` where it only exists in the kit."""
        return self._node if isinstance(self._node, bytes) else None

    def node(self, name: bytes) -> Node:
        """Where its entry ``name`` is."""
        if isinstance(self._node, dict):
            return self._node[name]
        return os.path.join(self._node, name) if isinstance(self._node, bytes) else self._node

    def stored(self, index: int) -> StoredObject | None:
        """The object that an entry is; ``None`` for what is on a disk, and for directories."""
        if not isinstance(self._node, dict):
            return None
        node = self._node[self.names[index]]
        return node if isinstance(node, StoredObject) else None

    def open(self, index: int) -> BinaryIO:
        """A file among its entries, to be looked into.

        Raises:
            OSError: It is gone, or cannot be read.
            SourceError, DeniedError: An object is gone, or cannot be read.
        """
        found = self.stored(index)
        return found.open() if found is not None else open(self.path(self.names[index]), "rb")

    def path(self, name: bytes) -> bytes:
        """Where its entry ``name``, which is on a disk, is.

        Raises:
            FileNotFoundError: It is on no disk.
        """
        node = self.node(name)
        if isinstance(node, bytes):
            return node
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def list(self) -> list[bytes]:
        """The names there are, in no order, whether they become entries or not."""
        if isinstance(self._node, bytes):
            return os.listdir(self._node)
        return [*self._node] if isinstance(self._node, dict) else []

    def add(self, name: bytes, numbers: Sequence[int], folder: Folder | None = None) -> None:
        """Append an entry; entries come in order."""
        if folder is not None:
            self.folders[len(self.names)] = folder
        self.names.append(name)
        self.stats.extend(numbers)


def stamp(status: os.stat_result) -> Stamp:
    """Mode, size, mtime and ctime in nanoseconds, inode and device (these two cut to 63 bits)."""
    return (
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino & 0x7FFFFFFFFFFFFFFF,
        status.st_dev & 0x7FFFFFFFFFFFFFFF,
    )


def object_stamp(found: StoredObject) -> Stamp:
    """The same numbers of an object: readable by all, and an inode that is another when the object is."""
    return (stat.S_IFREG | 0o644, found.size, found.modified_ns, found.modified_ns, *found.identity())


def single_file(path: bytes, place: bytes | StoredObject) -> Folder:
    """A folder with just the file at ``place``, which is at ``path`` in the kit.

    Raises:
        OSError: It is gone, or cannot be read.
    """
    directory, slash, name = path.rpartition(b"/")
    folder = Folder(directory + slash, {name: place})
    if isinstance(place, StoredObject):
        folder.add(name, object_stamp(place))
        return folder
    if os.path.islink(place):
        folder.links.add(0)
    folder.add(name, stamp(os.stat(place)))
    if not os.access(place, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return folder


def wanted_names(paths: Sequence[bytes]) -> Wanted:
    """Which names a walk must look at for these paths (``b"."`` is everything)."""
    tree: dict[bytes, Wanted] = {}
    for path in paths:
        if path == b".":
            return None
        *parents, last = path.split(b"/")
        level: Wanted = tree
        for name in parents:
            if level is not None:
                level = level.setdefault(name, {})
        if level is not None:
            level[last] = None
    return tree


class Walk:
    """One walk over a context.

    Attributes:
        root: What was found, once :meth:`run` is done.
        problems: What cannot be read, a sentence each.
        left_out: The paths of symbolic links to directories inside, which are left out.
        from_outside: The paths of symbolic links to files outside, which are packed.
        junk: The paths of what was left out as junk.
        ignored: The paths that the ignore rules match, where they are asked for.
        odd: The paths of what is neither a file nor a directory nor a link.
    """

    def __init__(
        self,
        node: Node,
        rules: IgnoreRules,
        control: Control,
        *,
        all_files: bool = False,
        note_ignored: bool = False,
    ) -> None:
        self.root = Folder(b"", node)
        self.problems: list[str] = []
        self.left_out: list[str] = []
        self.from_outside: list[str] = []
        self.junk: list[str] = []
        self.ignored: list[str] = []
        self.odd: list[str] = []
        self._note_ignored = note_ignored
        self._all_files = all_files
        self._roots = [*_roots(node)]
        self._rules = rules
        self._control = control
        self._pending: list[tuple[Folder, Wanted, int]] = []

    def run(self, wanted: Wanted) -> None:
        """Look at what is ``wanted``; problems are collected, not raised."""
        self._pending.append((self.root, wanted, 0))
        while self._pending:
            self._control.check()
            self._look(*self._pending.pop())

    def _look(self, folder: Folder, wanted: Wanted, ignored_by: int) -> None:
        try:
            if folder.disk is None:
                self._add_entries(folder, wanted, ignored_by, None)
                return
            handle = os.open(folder.disk, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._add_entries(folder, wanted, ignored_by, handle)
            finally:
                os.close(handle)
        except OSError as error:
            where = os.fsdecode(folder.prefix.rstrip(b"/")) or "."
            self.problems.append(f"directory '{where}' cannot be read: {error.strerror}")

    def _add_entries(self, folder: Folder, wanted: Wanted, ignored_by: int, handle: int | None) -> None:
        rules = None if self._rules.only_root and folder.prefix else self._rules
        for count, (name, numbers) in enumerate(self._entries(folder, wanted, handle)):
            if count % _CHECK_EVERY == 0:
                self._control.check()
            mode = numbers[MODE]
            is_folder = stat.S_ISDIR(mode)
            ignored, state = False, 0
            is_named = wanted is not None  # by an entry of the Kitfile, or on the way to what is
            if not (is_named or self._all_files) and self._leaves_out(folder, name, is_folder, ignored_by):
                continue
            if rules is not None:
                path = os.fsdecode(folder.prefix + name)
                if is_folder:
                    ignored, state = rules.enter(path, ignored_by)
                else:
                    ignored = rules.ignores(path, ignored_by)
                if ignored and not (is_folder and rules.has_negations):
                    if self._note_ignored and path not in (IGNORE_FILE, *KITFILE_NAMES):
                        self.ignored.append(path)
                    continue
            if is_folder:
                below = Folder(folder.prefix + name + b"/", folder.node(name), listed=not ignored)
                folder.add(name, numbers, below)
                self._pending.append((below, wanted[name] if wanted is not None else None, state))
            elif stat.S_ISREG(mode):
                self._add_file(folder, name, numbers)
            elif stat.S_ISLNK(mode):
                self._add_link(folder, name)
            else:
                self.odd.append(os.fsdecode(folder.prefix + name))

    def _leaves_out(self, folder: Folder, name: bytes, is_folder: bool, ignored_by: int) -> bool:
        """Whether an entry is junk that no ignore rule takes back."""
        if not is_junk(name, is_directory=is_folder, parent=folder.prefix):
            return False
        path = os.fsdecode(folder.prefix + name)
        if self._rules.has_negations and self._rules.takes_back(path, ignored_by):
            return False
        self.junk.append(path)
        return True

    def _add_file(self, folder: Folder, name: bytes, numbers: Stamp) -> None:
        # Asking costs a system call a file, and what everyone may read needs no asking.
        if numbers[MODE] & 0o444 != 0o444 and not os.access(folder.path(name), os.R_OK):
            self.problems.append(f"'{os.fsdecode(folder.prefix + name)}' cannot be read: Permission denied")
        folder.add(name, numbers)

    def _add_link(self, folder: Folder, name: bytes) -> None:
        path = os.fsdecode(folder.prefix + name)
        try:
            shown = follow(folder.path(name), self._roots)
        except ValueError as error:
            self.problems.append(f"'{path}' {error}")
            return
        if shown is None:
            self.left_out.append(path)
            return
        if shown.is_outside:
            self.from_outside.append(path)
        folder.links.add(len(folder.names))
        self._add_file(folder, name, stamp(shown.status))

    def _entries(self, folder: Folder, wanted: Wanted, handle: int | None) -> Iterator[tuple[bytes, Stamp]]:
        """The wanted names in byte order, with their stamps; a name that disappeared since is left out."""
        for name in sorted(folder.list() if wanted is None else wanted):
            try:
                if handle is not None:
                    yield name, stamp(os.stat(name, dir_fd=handle, follow_symlinks=False))
                else:
                    node = folder.node(name)
                    if isinstance(node, StoredObject):
                        yield name, object_stamp(node)
                    else:
                        yield name, stamp(os.lstat(node)) if isinstance(node, bytes) else _KIT_ONLY
            except FileNotFoundError:
                continue


def _roots(node: Node) -> Iterator[bytes]:
    """The paths on disk that a context is made of."""
    if isinstance(node, bytes):
        yield node
    elif isinstance(node, dict):
        for below in node.values():
            yield from _roots(below)

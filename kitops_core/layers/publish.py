"""Moving an unpacked tree to its target by renames, after looking for everything that is in the way.

The target's directories are opened component by component and never through a symbolic link: a link that someone
left in the target cannot make a kit's file land elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kitops_core.errors import ConflictError, StoreError
from kitops_core.layers.tar_fields import show_name
from kitops_core.layers.tree import OPEN_DIRECTORY

Existing = Literal["refuse", "overwrite", "ignore"]
"""What becomes of files that are in the way: nothing is put in place, they are replaced, or they are kept."""

_NAMED = 10
"""How many of the things in the way a message names."""


@dataclass(frozen=True)
class PublishReport:
    """What became of a tree.

    Attributes:
        files: Files put at the target.
        replaced: How many of them replaced one that was there.
        kept: Files of the kit left out because the target has one of that name.
    """

    files: int
    replaced: int = 0
    kept: int = 0


def publish(staged: Path, target: Path, existing: Existing = "refuse") -> PublishReport:
    """Move what ``staged`` holds to ``target``, on the same file system.

    A target that does not exist appears by one rename. In one that exists, directories on both sides are merged and
    everything else is renamed into place; nothing is moved before all of it was found to fit.

    Args:
        staged: A directory of files and directories, whose names are safe.
        target: Where to; its parent exists.
        existing: What becomes of files that exist.

    Raises:
        ConflictError: Files exist, or a directory must go where something else is or the reverse; names up to ten.
        StoreError: The file system refuses, or part of the target is on another one.
    """
    files = _count_files(staged)
    try:
        if not os.path.lexists(target):
            os.rename(staged, target)
            return PublishReport(files)
        with opened(staged) as source, opened(target) as destination:
            plan = _Plan(source, destination, existing)
            plan.look()
            plan.complain(target)
            plan.move()
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            raise ConflictError(
                f"{target} was changed by someone else while the kit was put there: {error.strerror}",
                hint="unpack again",
            ) from None
        raise StoreError(
            f"cannot move the unpacked files to {target}: {error.strerror}",
            hint="what was moved before this happened stays there; unpack again with --overwrite",
        ) from None
    return PublishReport(files - plan.kept, plan.replaced, plan.kept)


@dataclass
class _Plan:
    """What to rename, directory by directory, and what is in the way."""

    source: int
    destination: int
    policy: Existing
    moves: list[tuple[str, list[str]]] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    replaced: int = 0
    kept: int = 0

    def look(self) -> None:
        """Compare both trees, as far as they share directories. Changes nothing."""
        shared = [""]
        while shared:
            directory = shared.pop()
            with _below(self.source, directory) as source, _below(self.destination, directory) as destination:
                names = []
                with os.scandir(source) as entries:
                    for entry in entries:
                        path = f"{directory}{entry.name}"
                        decision = self._decide(entry, path, destination)
                        if decision == "merge":
                            shared.append(f"{path}/")
                        elif decision == "move":
                            names.append(entry.name)
                if names:
                    self.moves.append((directory, names))
                    if not _takes_renames(source, destination):
                        self.refused.append(directory or ".")

    def _decide(self, entry: os.DirEntry[str], path: str, destination: int) -> str:
        try:
            there = os.stat(entry.name, dir_fd=destination, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return "move"
        is_directory = entry.is_dir(follow_symlinks=False)
        if is_directory and stat.S_ISDIR(there):
            return "merge"
        if is_directory or stat.S_ISDIR(there):
            self.clashes.append(path)
        elif self.policy == "ignore":
            self.kept += 1
        elif self.policy == "overwrite":
            self.replaced += 1
            return "move"
        else:
            self.existing.append(path)
        return "leave"

    def complain(self, target: Path) -> None:
        """Raise for what is in the way, clashes first: no flag helps against those."""
        if self.clashes:
            raise ConflictError(
                f"{target}: a directory is where the kit has a file, or something else where it has a directory: "
                + _some(self.clashes),
                hint="move these away, or unpack to another directory",
            )
        if self.existing:
            raise ConflictError(
                f"{target} already has {len(self.existing)} of the kit's files: {_some(self.existing)}",
                hint="--overwrite replaces them, --ignore-existing keeps them",
            )
        if self.refused:
            raise StoreError(
                f"{target}: these directories may not be written, or are on another file system: {_some(self.refused)}",
                hint="change their permissions, or unpack to another directory",
            )

    def move(self) -> None:
        """Rename everything into place."""
        for directory, names in self.moves:
            with _below(self.source, directory) as source, _below(self.destination, directory) as destination:
                for name in names:
                    os.rename(name, name, src_dir_fd=source, dst_dir_fd=destination)


def same_mount(source: int, destination: int) -> bool:
    """Whether files can be renamed from one directory to the other.

    Bind mounts look alike to ``stat``, so this asks the kernel to rename what does not exist: it looks at the mounts
    before it looks for the file.
    """
    absent = ".kitops-no-such-file"
    try:
        os.rename(absent, absent, src_dir_fd=source, dst_dir_fd=destination)
    except OSError as error:
        return error.errno != errno.EXDEV
    return True


def _takes_renames(source: int, destination: int) -> bool:
    return os.access(".", os.W_OK | os.X_OK, dir_fd=destination) and same_mount(source, destination)


def _some(paths: list[str]) -> str:
    paths.sort()
    shown = ", ".join(show_name(os.fsencode(path)) for path in paths[:_NAMED])
    return shown if len(paths) <= _NAMED else f"{shown} and {len(paths) - _NAMED} more"


def _count_files(directory: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(directory))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of a directory that is no symbolic link."""
    fd = os.open(path, OPEN_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _below(root: int, directory: str) -> Iterator[int]:
    """A descriptor of a directory below ``root``: ``directory`` is empty, or ends with a slash."""
    fd = os.open(".", OPEN_DIRECTORY, dir_fd=root)
    try:
        for component in directory.split("/")[:-1]:
            deeper = os.open(component, OPEN_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)

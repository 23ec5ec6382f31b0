"""What there is to describe: the names and sizes of files, wherever they are, and how to read the start of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kitops_core.errors import SourceError
from kitops_core.files.junk import is_junk
from kitops_core.files.links import follow
from kitops_core.files.secrets import READ_BYTES, is_secret_file
from kitops_core.kitfile.data import KITFILE_NAMES

ReadStart = Callable[[str, int], bytes]
"""Reads the file at a path of the kit, or as many bytes of its start as asked for; empty where it cannot be read."""

_SKIPPED = {*KITFILE_NAMES, ".kitignore", ".gitattributes", ".gitignore", ".cache"}


@dataclass(frozen=True)
class ListedFile:
    """A file.

    Attributes:
        path: Its path in the kit.
        size: Its size in bytes.
    """

    path: str
    size: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass
class Listing:
    """A directory and what is in it, in the byte order of names.

    Attributes:
        path: Its path in the kit; empty for the root.
        files: Its files.
        directories: Its directories that have files.
    """

    path: str
    files: list[ListedFile] = field(default_factory=list)
    directories: list[Listing] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def skill(self) -> str:
        """The path of its SKILL.md, or an empty string."""
        return next((file.path for file in self.files if file.name.lower() == "skill.md"), "")


def is_left_out(path: str) -> bool:
    """Whether a path is of those that no Kitfile is about: the Kitfile itself, version control, caches."""
    *parents, name = path.split("/")
    return _is_skipped(name, False) or any(_is_skipped(parent, True) for parent in parents)


def _is_skipped(name: str, is_directory: bool) -> bool:
    return name in _SKIPPED or is_junk(os.fsencode(name), is_directory=is_directory)


def list_directory(root: Path, ignored: Callable[[str, bool], bool]) -> Listing:
    """What is in a directory, without what no Kitfile is about.

    Args:
        root: The directory.
        ignored: Told a path in the kit and whether it is a directory, says whether packing will leave it out.

    Raises:
        SourceError: It is not a directory, or something in it cannot be listed.
    """
    return _list(root, "", ignored)


def list_files(files: Iterable[ListedFile]) -> Listing:
    """The same of files that are somewhere else, by their paths."""
    root = Listing("")
    known = {"": root}
    for file in sorted(files, key=lambda file: [os.fsencode(part) for part in file.path.split("/")]):
        if not is_left_out(file.path):
            _directory(file.path.rpartition("/")[0], known).files.append(file)
    return root


def starts_in(root: Path) -> ReadStart:
    """Reads the starts of files below ``root``."""

    def read(path: str, most: int) -> bytes:
        try:
            with (root / path).open("rb") as file:
                return file.read(most)
        except OSError:
            return b""

    return read


def _directory(path: str, known: dict[str, Listing]) -> Listing:
    if path not in known:
        known[path] = Listing(path)
        _directory(path.rpartition("/")[0], known).directories.append(known[path])
    return known[path]


def _list(root: Path, path: str, ignored: Callable[[str, bool], bool]) -> Listing:
    found = Listing(path)
    read_start = starts_in(root)
    try:
        with os.scandir(root / path) as entries:
            for entry in sorted(entries, key=lambda e: os.fsencode(e.name)):
                inner = f"{path}/{entry.name}" if path else entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                if _is_skipped(entry.name, is_directory) or ignored(inner, is_directory):
                    continue
                if is_directory:
                    found.directories.append(_list(root, inner, ignored))
                elif is_secret_file(os.fsencode(inner), partial(read_start, inner, READ_BYTES)):
                    continue
                elif entry.is_symlink():
                    if (size := _shown_size(root, inner)) is not None:
                        found.files.append(ListedFile(inner, size))
                elif entry.is_file():
                    found.files.append(ListedFile(inner, entry.stat().st_size))
    except OSError as error:
        raise SourceError(f"{root / path} cannot be listed: {error.strerror}") from None
    found.directories = [inner for inner in found.directories if inner.files or inner.directories]
    return found


def _shown_size(root: Path, path: str) -> int | None:
    """The size of the file that a link shows; ``None`` for a link to a directory inside."""
    try:
        shown = follow(os.fsencode(root / path), [os.fsencode(os.path.realpath(root))])
    except ValueError as error:
        raise SourceError(f"'{path}' {error}", hint="remove it, or leave it out with .kitignore") from None
    return None if shown is None else shown.status.st_size

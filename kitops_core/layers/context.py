"""Where a kit's files come from, and whether the paths a Kitfile names are there."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from kitops_core.errors import SourceError
from kitops_core.files.links import is_inside
from kitops_core.layers.ignore import IGNORE_FILE, IgnoreRules
from kitops_core.layers.snapshot import Node
from kitops_core.objects.store import ObjectDirectory, StoredObject

_SHOWN = 100  # how many problems an error names


class Context:
    """A directory, or files and directories from anywhere under paths of their own.

    Attributes:
        node: Where its root is.
        where: What to call it in messages.
    """

    def __init__(self, node: Node, where: str) -> None:
        """Use :meth:`from_directory` or :meth:`from_files`."""
        self.node = node
        self.where = where

    @staticmethod
    def from_directory(directory: str | os.PathLike[str]) -> Context:
        """The directory's files under their own paths.

        Raises:
            SourceError: It is no directory.
        """
        if not os.path.isdir(directory):
            raise SourceError(f"'{os.fspath(directory)}' is not a directory", hint="name the directory to pack")
        return Context(os.fsencode(os.path.realpath(directory)), f"'{os.fspath(directory)}'")

    @staticmethod
    def from_objects(directory: ObjectDirectory) -> Context:
        """The objects below a path of a store under their own paths."""
        return Context(_tree(directory), f"'{directory.url}'")

    @staticmethod
    def from_files(files: Mapping[str, Path | StoredObject | ObjectDirectory]) -> Context:
        """Files and directories from anywhere, by their path in the kit.

        Directories that only the kit has get mode 0755. A symbolic link named here is followed. A path below another
        one must be what that other one has there.

        Raises:
            SourceError: A path in the kit leads out of it, or two contradict each other; all such are named.
        """
        root: Node = {}
        problems = []
        for path, source in sorted(files.items(), key=lambda item: clean_path(item[0]).split("/")):
            path = clean_path(path)
            if isinstance(source, Path):
                node: Node = os.path.realpath(os.fsencode(source))
            else:
                node = _tree(source) if isinstance(source, ObjectDirectory) else source
            if leads_out(path):
                problems.append(f"'{path}' is not a path in a kit")
            elif path == ".":
                root = node
            elif not _mount(root, os.fsencode(path).split(b"/"), node):
                where = source if isinstance(source, Path) else source.url
                problems.append(f"'{path}' would be '{where}' and also part of another directory that is named")
        if problems:
            raise problems_error(problems, "give each file or directory a path of its own in the kit")
        return Context(root, "the files given")

    def rules(self) -> IgnoreRules:
        """The rules of the ``.kitignore`` at the root, if there is one.

        Raises:
            SourceError: It cannot be read, or a pattern in it is malformed.
        """
        place = self.find(IGNORE_FILE)
        if isinstance(place, StoredObject):
            return IgnoreRules.parse(place.read(0, place.size))
        if not isinstance(place, bytes) or not os.path.exists(place):
            return IgnoreRules()
        if not os.path.isfile(place):
            raise SourceError(f"'{IGNORE_FILE}' is not a file", hint="rename it, or put the ignore rules in it")
        try:
            return IgnoreRules.parse(Path(os.fsdecode(place)).read_bytes())
        except OSError as error:
            raise SourceError(f"'{IGNORE_FILE}' cannot be read: {error.strerror}") from None

    def find(self, path: str) -> Node | None:
        """Where a clean path of the kit would be; whether anything is there is not asked."""
        node = self.node
        names = [] if path == "." else os.fsencode(path).split(b"/")
        for depth, name in enumerate(names):
            if isinstance(node, bytes):
                return os.path.join(node, *names[depth:])
            if isinstance(node, StoredObject) or name not in node:
                return None
            node = node[name]
        return node

    def place(self, path: str) -> bytes | StoredObject:
        """Where a file at a clean path of the kit would be: its path on disk, or the object.

        Raises:
            FileNotFoundError: It would be nowhere.
        """
        found = self.find(path)
        if found is None or isinstance(found, dict):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found

    def kind(self, path: str) -> int:
        """What a clean path of the kit is: ``stat.S_IFREG`` or ``stat.S_IFDIR``.

        Raises:
            ValueError: It cannot be packed; the message ends a sentence that starts with the path.
        """
        if leads_out(path):
            raise ValueError("is not inside the context")
        found = self.find(path)
        if isinstance(found, dict):
            return stat.S_IFDIR
        if isinstance(found, StoredObject):
            return stat.S_IFREG
        if found is None:
            raise ValueError(f"does not exist in {self.where}")
        place = found
        try:
            mode = os.stat(place).st_mode
            real = os.path.realpath(place)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(place):
                raise ValueError("is a symbolic link to nothing") from None
            raise ValueError(f"does not exist in {self.where}") from None
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        parent = os.path.dirname(place)
        if real != place and not (stat.S_ISREG(mode) and os.path.realpath(parent) == parent):
            self._refuse_link(place, real)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError("is neither a file nor a directory")
        return stat.S_IFMT(mode)

    def _refuse_link(self, place: bytes, real: bytes) -> NoReturn:
        """Links to directories are left out of layers: a path that is one, or leads through one, has no files."""
        inside = is_inside(real, [self.node] if isinstance(self.node, bytes) else [])
        what = "is" if os.path.islink(place) else "leads through"
        where = "" if inside else " out of the context"
        raise ValueError(f"{what} a symbolic link{where} to '{os.fsdecode(real)}'")


def clean_path(path: str) -> str:
    """``path`` without ``.``, doubled slashes, trailing slashes and what ``..`` undoes; ``.`` when it is empty."""
    return posixpath.normpath(path.strip() or ".")


def leads_out(path: str) -> bool:
    """Whether a clean path is absolute or starts with ``..``."""
    return path.startswith("/") or path == ".." or path.startswith("../")


def problems_error(problems: Sequence[str], hint: str) -> SourceError:
    """All problems in one error; of very many, the first."""
    if len(problems) == 1:
        return SourceError(problems[0], hint=hint)
    lines = [f"  * {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more")
    return SourceError("\n".join([f"{len(problems)} paths cannot be packed", *lines]), hint=hint)


def _tree(directory: ObjectDirectory) -> Node:
    """The objects of a directory, with a directory of the kit for each that is in their paths."""
    root: Node = {}
    for path, found in directory.objects.items():
        _mount(root, os.fsencode(path).split(b"/"), found)
    return root


def _mount(node: Node, names: Sequence[bytes], real: Node) -> bool:
    """Put ``real`` at a path below ``node``; false where something else is there."""
    for depth, name in enumerate(names):
        if isinstance(node, bytes):
            return real == os.path.join(node, *names[depth:])
        if isinstance(node, StoredObject):
            return False
        if depth == len(names) - 1:
            return node.setdefault(name, real) == real
        node = node.setdefault(name, {})
    return False

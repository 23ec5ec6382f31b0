"""What a pack leaves out of a directory, and why: for those who want to see it before anything is packed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from kitops_core.files.junk import is_junk
from kitops_core.files.secrets import READ_BYTES, is_secret_file
from kitops_core.kitfile.data import KITFILE_NAMES
from kitops_core.layers.ignore import IGNORE_FILE, IgnoreRules
from kitops_core.layers.snapshot import Folder, Node, Walk, Wanted

_JUNK = "a cache or the like: --all-files, or a ! in .kitignore, takes it"
_IGNORED = ".kitignore leaves it out"
_UNNAMED = "no entry names it"


class LeftOut(NamedTuple):
    """A file or directory that is not packed.

    Attributes:
        path: Its path in the kit; the URL of what stays where it is.
        why: Why, in a few words.
    """

    path: str
    why: str


def left_out(walk: Walk, wanted: Wanted, rules: IgnoreRules) -> list[LeftOut]:
    """What a walk, told to note what is ignored, and the entries left out, by path; of a directory, only itself."""
    found = [LeftOut(path, _JUNK) for path in walk.junk]
    found += [LeftOut(path, _IGNORED) for path in walk.ignored]
    found += [LeftOut(path, "a symbolic link to a directory") for path in walk.left_out]
    found += [LeftOut(path, "neither a file nor a directory") for path in walk.odd]
    found += _unnamed(walk.root, wanted, rules)
    return sorted(found, key=lambda item: item.path.split("/"))


def _unnamed(folder: Folder, wanted: Wanted, rules: IgnoreRules, ignored_by: int = 0) -> Iterator[LeftOut]:
    """What lies beside the entries, down to where all is taken."""
    if wanted is None:
        return
    indexes = {folder.names[index]: index for index in folder.folders}
    for name in sorted(folder.list()):
        path = os.fsdecode(folder.prefix + name)
        node = folder.node(name)
        is_directory = isinstance(node, dict) or (isinstance(node, bytes) and os.path.isdir(node))
        if name in wanted:
            if name in indexes:
                state = rules.enter(path, ignored_by)[1]
                yield from _unnamed(folder.folders[indexes[name]], wanted[name], rules, state)
        elif folder.prefix or path not in (IGNORE_FILE, *KITFILE_NAMES):
            yield LeftOut(path, _why(path, node, is_directory, rules, ignored_by))


def _why(path: str, node: Node, is_directory: bool, rules: IgnoreRules, ignored_by: int) -> str:
    directory, _, name = os.fsencode(path).rpartition(b"/")
    if rules.enter(path, ignored_by)[0] if is_directory else rules.ignores(path, ignored_by):
        return _IGNORED
    if is_junk(name, is_directory=is_directory, parent=directory):
        return _JUNK
    if isinstance(node, bytes) and os.path.isfile(node) and is_secret_file(os.fsencode(path), lambda: _start(node)):
        return "it holds credentials, and no entry names it"
    return _UNNAMED


def _start(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(READ_BYTES)
    except OSError:
        return b""

"""Symbolic links in what is packed: one that leads to a file is packed as that file.

The Hugging Face Hub's client shows a model as a tree of links into its cache, so a kit without them would be a kit
without its model. The reference CLI leaves all links out; trees without any have the same digest from both.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple


class Shown(NamedTuple):
    """What a link shows.

    Attributes:
        status: Of the file that it leads to.
        is_outside: Whether that file lies outside of all that is packed.
    """

    status: os.stat_result
    is_outside: bool


def is_inside(path: bytes, roots: Sequence[bytes]) -> bool:
    """Whether a path without links in it is one of some directories, or lies in one."""
    return any(os.path.commonpath((root, path)) == root for root in roots)


def follow(link: bytes, roots: Sequence[bytes]) -> Shown | None:
    """The file that a link shows; ``None`` for a link to a directory inside, whose files are packed where they are.

    Args:
        link: The link's path on disk.
        roots: The directories that are packed, without links in their own paths.

    Raises:
        ValueError: It cannot be packed; the message ends a sentence that starts with the path.
    """
    try:
        status = os.stat(link)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("is a symbolic link to nothing") from None
    except OSError as error:
        raise ValueError(f"is a symbolic link that cannot be followed: {error.strerror}") from None
    target = os.path.realpath(link)
    is_outside = not is_inside(target, roots)
    if stat.S_ISREG(status.st_mode):
        return Shown(status, is_outside)
    if not stat.S_ISDIR(status.st_mode):
        raise ValueError("is a symbolic link to what is neither a file nor a directory")
    if is_outside:
        raise ValueError(f"is a symbolic link out of the context, to the directory '{os.fsdecode(target)}'")
    return None

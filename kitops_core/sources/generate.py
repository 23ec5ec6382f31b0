"""A Kitfile for a directory that has none, without what its ``.kitignore`` leaves out."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.layers.ignore import IgnoreRules


def generate_kitfile(
    directory: str | os.PathLike[str],
    *,
    name: str = "",
    description: str = "",
    authors: Sequence[str] = (),
    depth: int = 0,
    fallback_name: str = "",
) -> Kitfile:
    """See :func:`kitops_core.generate_kitfile`; a kit that nothing names is called ``fallback_name``."""
    from kitops_core.kitfile.generator import generate
    from kitops_core.layers.context import Context

    ignored = ignored_by(Context.from_directory(directory).rules())
    return generate(
        Path(directory),
        name=name,
        description=description,
        authors=authors,
        depth=depth,
        ignored=ignored,
        fallback_name=fallback_name,
    )


def ignored_by(rules: IgnoreRules) -> Callable[[str, bool], bool]:
    """Whether packing leaves out a path; asked about every directory before what lies in it."""
    states = {"": 0}

    def ignored(path: str, is_directory: bool) -> bool:
        parent = states[posixpath.dirname(path)]
        if not is_directory:
            return rules.ignores(path, parent)
        left_out, states[path] = rules.enter(path, parent)
        return left_out and not rules.has_negations  # with negations, something in it may be taken back

    return ignored

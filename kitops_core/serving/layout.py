"""Laying a directory out for KServe: the model and its parts below ``models/``."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import ConflictError, InvalidInputError, SourceError
from kitops_core.serving.image import KSERVE_DIRECTORY

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile, Model, ModelPart


def lay_out(directory: str | os.PathLike[str], kitfile: Kitfile) -> dict[str, str]:
    """Move the model and its parts into ``models/``, on disk and in the Kitfile.

    What lies below the model's directory keeps its path from there; parts from elsewhere come under their own names.
    What is below ``models/`` already stays where it is. All are moved, or none.

    Args:
        directory: The directory that the Kitfile describes.
        kitfile: The Kitfile, whose paths are changed.

    Returns:
        Where each path went that was moved.

    Raises:
        InvalidInputError: The Kitfile has no model in this directory.
        ConflictError: Something is where a path would go, or two would go to one.
        SourceError: A file cannot be moved.
    """
    model = kitfile.model
    if model is None or not model.path or kitfile.model_reference():
        raise InvalidInputError(f"'{directory}' has no model to lay out", hint="leave --servable out")
    root = Path(directory)
    place = posixpath.normpath(model.path)
    base = place if (root / place).is_dir() else posixpath.dirname(place)
    every: list[Model | ModelPart] = [model, *model.parts]
    entries = {posixpath.normpath(entry.path): entry for entry in every}
    moves: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in sorted(entries):
        if path.split("/")[0] == KSERVE_DIRECTORY:
            continue
        along = next((moved for moved in moves if path.startswith(moved + "/")), "")
        if along:
            places[path] = moves[along] + path[len(along) :]
        else:
            places[path] = moves[path] = posixpath.normpath(f"{KSERVE_DIRECTORY}/{_below(base, path)}")
    for path, to in moves.items():
        if (root / to).exists() or list(moves.values()).count(to) > 1:
            raise ConflictError(f"'{root / path}' would be moved to '{to}', where something else is", hint="rename one")
    _move(root, moves)
    for path, to in places.items():
        entries[path].path = to
    return moves


def _below(base: str, path: str) -> str:
    """A path from ``base`` on, or its last name where it is elsewhere."""
    if not base or path == base or path.startswith(base + "/"):
        return path[len(base) :].lstrip("/") or "."
    return posixpath.basename(path)


def _move(root: Path, moves: dict[str, str]) -> None:
    done: list[tuple[Path, Path]] = []
    try:
        for path, to in moves.items():
            (root / to).parent.mkdir(parents=True, exist_ok=True)
            os.rename(root / path, root / to)
            done.append((root / path, root / to))
    except OSError as error:
        for before, after in reversed(done):
            with suppress(OSError):
                os.rename(after, before)
        raise SourceError(f"'{root / path}' cannot be moved to '{root / to}': {error.strerror}") from None

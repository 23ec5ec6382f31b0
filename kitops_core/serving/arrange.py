"""From the paths in a Kitfile to the flat directory that servers load.

Servers and frameworks open one directory, and look for the weights, ``config.json`` and the tokenizer right in it.
Kits keep such files wherever they lay when they were packed. The rules:

1. The *root* is the directory of ``model.path``: that directory itself, or the one the model's file is in. Where
   ``modules.json`` (sentence-transformers) or ``model_index.json`` (diffusers) lies in it or above it, the outermost
   directory with one of these is the root. Where ``model.path`` is a directory without ``config.json``, and just one
   directory below has one, that is the root.
2. What is below the root keeps its path from there: ``1_Pooling/config.json`` stays in ``1_Pooling``.
3. Of the model and its parts, what lies elsewhere goes into the root: a file under its own name, the files of a
   directory under their paths in that directory. An adapter (a directory with ``adapter_config.json``) keeps the name
   of its directory.
4. What else was asked for (code, datasets, docs, prompts) keeps the Kitfile's path.
5. Two files that come to have one path must have the same bytes.
"""

from __future__ import annotations

import filecmp
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kitops_core.errors import ConflictError
from kitops_core.kitfile import KitEntry

_PIPELINES = ("model_index.json", "modules.json")
_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
_MODEL = ("model", "modelpart")
_AS_IN_KIT = "keep the Kitfile's paths (--keep-paths), or leave one of them out with --filter"


def arrange(tree: Path, entries: Sequence[KitEntry], target: Path) -> None:
    """Move the files of an unpacked kit to where a server looks for them.

    Args:
        tree: The unpacked kit, a directory that nobody else uses.
        entries: The Kitfile's entries, those of the kits that ``model.path`` names among them.
        target: The directory to fill; it does not exist.

    Raises:
        ConflictError: Two files come to have one path, or a file the path of a directory.
    """
    moves = flat_paths(list_files(tree), entries)
    above = _all_above(moves)
    if above is not None:
        os.rename(tree / above, target)
        return
    taken: dict[str, str] = {}
    made = {"."}
    target.mkdir()
    for source, path in moves.items():
        first = taken.setdefault(path, source)
        if first == source:
            if path in made:
                raise _clash(source, path, "a directory of that name")
            directory = posixpath.dirname(path) or "."
            if directory not in made:
                _make_directories(target, directory, source)
                made.update((directory, *_parents(directory)))
            os.rename(f"{tree}/{source}", f"{target}/{path}")
        elif not filecmp.cmp(target / path, tree / source, shallow=False):
            raise _clash(source, path, f"'{first}'")


def _all_above(moves: Mapping[str, str]) -> str | None:
    """The directory that all files keep their paths from, as in most kits; ``None`` where they do not."""
    source, path = next(iter(moves.items()), ("", ""))
    above = source.removesuffix(path)
    return above if all(source == f"{above}{path}" for source, path in moves.items()) else None


def _make_directories(target: Path, directory: str, source: str) -> None:
    try:
        (target / directory).mkdir(parents=True)
    except (FileExistsError, NotADirectoryError):
        raise _clash(source, directory, "a file of that name") from None


def _clash(source: str, path: str, other: str) -> ConflictError:
    return ConflictError(
        f"the kit's '{source}' and {other} would both be '{path}' in the directory to serve", hint=_AS_IN_KIT
    )


def list_files(tree: Path) -> list[str]:
    """Every file below a directory, by its path from there, sorted."""
    found = []
    for directory, _, names in os.walk(tree):
        prefix = Path(directory).relative_to(tree).as_posix()
        found += [posixpath.normpath(posixpath.join(prefix, name)) for name in names]
    return sorted(found)


def flat_paths(files: Iterable[str], entries: Sequence[KitEntry]) -> dict[str, str]:
    """Where each file of a kit goes, by the rules of this module; several may go to one path.

    Args:
        files: Paths in the kit.
        entries: The Kitfile's entries. The last ``model`` among them is the model: the kit that a chain ends with.
    """
    files = list(files)
    by_path = {entry.path: entry for entry in reversed(entries)}
    owners = {file: _owner(file, by_path) for file in files}
    of_model = {file for file, owner in owners.items() if owner is not None and owner.section in _MODEL}
    model = next((entry.path for entry in reversed(entries) if entry.section == "model"), None)
    if model is None:
        return {file: file for file in files}
    root = _find_root(of_model, model)
    return {file: _place(file, root, owners[file], of_model) for file in files}


def _owner(file: str, entries: Mapping[str, KitEntry]) -> KitEntry | None:
    """The entry that brought a file: the one that names it most closely."""
    return next((entries[path] for path in (file, *_parents(file)) if path in entries), None)


def _find_root(files: Collection[str], model: str) -> str:
    start = posixpath.dirname(model) or "." if model in files else model
    upward = [start, *_parents(start)]
    for directory in reversed(upward):
        if any(posixpath.normpath(f"{directory}/{name}") in files for name in _PIPELINES):
            return directory
    if model in files or posixpath.normpath(f"{start}/{_CONFIG}") in files:
        return start
    inside = {posixpath.dirname(file) for file in files if posixpath.basename(file) in (_CONFIG, *_PIPELINES)}
    inside = {directory for directory in inside if _below(directory, start) is not None}
    outermost = [directory for directory in inside if not any(parent in inside for parent in _parents(directory))]
    return outermost[0] if len(outermost) == 1 else start


def _place(file: str, root: str, owner: KitEntry | None, of_model: Collection[str]) -> str:
    inside = _below(file, root)
    if inside is not None:
        return inside
    if owner is None or owner.section not in _MODEL:
        return file
    for directory in _parents(file):
        if directory != "." and f"{directory}/{_ADAPTER}" in of_model:
            return f"{posixpath.basename(directory)}/{_below(file, directory)}"
    return _below(file, owner.path) or posixpath.basename(file)


def _below(path: str, directory: str) -> str | None:
    """``path`` as seen from ``directory``: empty where they are the same, ``None`` where it lies elsewhere."""
    if directory == ".":
        return path
    if path == directory:
        return ""
    return path[len(directory) + 1 :] if path.startswith(f"{directory}/") else None


def _parents(path: str) -> Iterator[str]:
    """The directories above ``path``, the nearest first, ``.`` last."""
    while path not in ("", "."):
        path = posixpath.dirname(path) or "."
        yield path

"""From a Kitfile's paths to layers: which files each holds and how large it will be, before a byte is read.

The rules are the reference CLI's, but for symbolic links (:mod:`kitops_core.files.links`) and junk
(:mod:`kitops_core.files.junk`). A layer for a path has all below it, and the headers of the directories above it. Left
out are what ``.kitignore`` matches, the Kitfile and the ``.kitignore`` themselves, sockets and devices, and what
starts with the path of another layer that does not itself start this layer's path. That comparison is one of strings,
as there: beside a layer for ``model``, a layer for ``.`` has no ``model2`` either.
"""

from __future__ import annotations

import hashlib
import os
import stat
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from kitops_core.events import Control, Event
from kitops_core.layers.context import Context, clean_path, problems_error
from kitops_core.layers.left_out import LeftOut, left_out
from kitops_core.layers.snapshot import CTIME, FIELDS, MODE, MTIME, SIZE, Folder, Walk, single_file, wanted_names
from kitops_core.layers.tar_writer import TRAILER, header_size, padding
from kitops_core.oci.media_types import Format, Section

_EMPTY_HINT = "a kit would have no model: the ignore rules or other entries take all files, or the directory is empty"

__all__ = ["Context", "LayerPlan", "Part", "plan"]


class Part(NamedTuple):
    """An entry of a Kitfile that becomes a layer.

    Attributes:
        address: Its name in the Kitfile, for messages: ``model.parts[0]``.
        section: What it is.
        path: Its path in the kit, ``/``-separated; ``.`` for the whole context.
    """

    address: str
    section: Section
    path: str


class LayerPlan:
    """What one layer holds, as it was on disk when the plan was made.

    Attributes:
        address: The entry's name in the Kitfile.
        section: What it is.
        path: The entry's path in the kit, cleaned.
        format: ``tar``, or ``raw`` for the bytes of one file.
        size: Exact length of the uncompressed layer in bytes.
        file_count: How many files (directories not counted) it holds.
        newest_ns: The latest time any of them was changed, in nanoseconds since 1970; 0 without files. A file changed
            within the clock's resolution of now may change again without its times telling.
        has_objects: Whether some of them are in an object store.
    """

    def __init__(self, part: Part, layer_format: Format, root: Folder, excluded: tuple[bytes, ...] = ()) -> None:
        """Made by :func:`plan`; ``root`` is the context's, or for a raw layer a folder with just its file."""
        self.address, self.section, self.path = part
        self.format: Format = layer_format
        self._root = root
        self._excluded = excluded
        self.has_objects = False
        self.size, self.file_count, self.newest_ns = self._measure()

    def members(self) -> Iterator[tuple[Folder, int]]:
        """Directory and index in it of everything the layer holds, in the order of its tar."""
        folder = self._root
        if self.format == "raw":
            yield folder, 0
            return
        for name in [] if self.path == "." else os.fsencode(self.path).split(b"/"):
            index = bisect_left(folder.names, name)
            if index == len(folder.names) or folder.names[index] != name:
                return  # the ignore rules leave it out
            below = folder.folders.get(index)
            if below is None or below.listed:
                yield folder, index
            if below is None:
                return
            folder = below
        yield from self._below(folder)

    def fingerprint(self) -> str:
        """SHA-256 (hex) over names, modes and kinds, and each file's device, inode, size and times.

        While it stays the same, so do the layer's bytes: nothing need be read to know its digest.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.format}\n".encode())
        for folder, index in self.members():
            name = folder.prefix + folder.names[index]
            stats = folder.stats[index * FIELDS : (index + 1) * FIELDS]
            # A directory's own size and times tell of files that the layer may not even have.
            known = stats[: MODE + 1] if index in folder.folders else stats
            digest.update(b"%d %b\0%b" % (len(name), name, known.tobytes()))
        return digest.hexdigest()

    def _below(self, top: Folder) -> Iterator[tuple[Folder, int]]:
        excluded = self._excluded
        pending = [(top, 0)]
        while pending:
            folder, start = pending.pop()
            prefix, names, folders = folder.prefix, folder.names, folder.folders
            for index in range(start, len(names)):
                if excluded and (prefix + names[index]).startswith(excluded):
                    continue
                below = folders.get(index)
                if below is None:
                    yield folder, index
                    continue
                if below.listed:
                    yield folder, index
                pending += (folder, index + 1), (below, 0)
                break

    def _measure(self) -> tuple[int, int, int]:
        total = files = newest = 0
        for folder, index in self.members():
            name = folder.prefix + folder.names[index]
            if index in folder.folders:
                total += header_size(name, 0)
                continue
            at = index * FIELDS
            size = folder.stats[at + SIZE]
            files += 1
            self.has_objects = self.has_objects or folder.stored(index) is not None
            newest = max(newest, folder.stats[at + MTIME], folder.stats[at + CTIME])
            total += size if self.format == "raw" else header_size(name, size) + size + padding(size)
        return (total if self.format == "raw" else total + len(TRAILER)), files, newest


def plan(
    context: Context,
    parts: Sequence[Part],
    *,
    others: Sequence[str] = (),
    layer_format: Format = "tar",
    all_files: bool = False,
    control: Control,
    leaves_out: list[LeftOut] | None = None,
) -> list[LayerPlan]:
    """Look at every file once, and say what each layer will hold.

    Args:
        context: Where the files are.
        parts: The Kitfile's entries, in layer order.
        others: Paths of entries that are packed elsewhere: their files, which need not be here, are left out.
        layer_format: With ``raw``, an entry that is one file becomes a layer of just its bytes. An MCP bundle always
            does.
        all_files: Take junk (:mod:`kitops_core.files.junk`) too.
        control: Stops the walk, and is told of symbolic links and of layers without a file.
        leaves_out: A list to put into what is left out.

    Raises:
        SourceError: Paths are missing, unreadable, lead out of the context, or are nothing that can be packed, or the
            model has no files. All are named at once.
    """
    parts = [part._replace(path=clean_path(part.path)) for part in parts]
    problems = []
    raw_files: dict[str, Folder] = {}
    wanted = []
    for part in parts:
        try:
            is_file = stat.S_ISREG(context.kind(part.path))
            if part.section == "mcpb" and not is_file:
                raise ValueError("is a directory, and an MCP bundle is a file")
            path = os.fsencode(part.path)
            if is_file and (layer_format == "raw" or part.section == "mcpb"):
                raw_files[part.address] = single_file(path, context.place(part.path))
            else:
                wanted.append(path)
        except ValueError as error:
            problems.append(f"{part.address}: '{part.path}' {error}")
        except OSError as error:
            problems.append(f"{part.address}: '{part.path}' cannot be read: {error.strerror}")
    rules = context.rules()
    walk = Walk(context.node, rules, control, all_files=all_files, note_ignored=leaves_out is not None)
    walk.run(wanted_names(wanted))
    problems += walk.problems
    if problems:
        raise problems_error(problems, "paths in a Kitfile are relative to the directory that is packed")
    paths = [os.fsencode(part.path) for part in parts]
    taken = sorted([*paths, *(os.fsencode(clean_path(path)) for path in others)])
    layers = []
    for part, path in zip(parts, paths, strict=True):
        if part.address in raw_files:
            layers.append(LayerPlan(part, "raw", raw_files[part.address]))
        else:
            layers.append(LayerPlan(part, "tar", walk.root, _excluded(path, taken)))
    _warn(layers, walk, control)
    if leaves_out is not None:
        named = wanted_names([os.fsencode(part.path) for part in parts])
        leaves_out += left_out(walk, named, rules)
    empty = [layer for layer in layers if layer.section == "model" and not layer.file_count]
    if empty:
        raise problems_error([f"{layer.address}: '{layer.path}' has no files" for layer in empty], _EMPTY_HINT)
    return layers


def _excluded(path: bytes, paths: Sequence[bytes]) -> tuple[bytes, ...]:
    """What the names of other layers' files start with, where they could start a name in the layer for ``path``.

    ``paths`` are sorted: of ten thousands of entries, most have no other below them.
    """
    if path == b".":
        return tuple(other for other in paths if other != path)
    inside = path + b"/"
    end = bisect_left(paths, path + b"0")  # the byte after the slash
    return tuple(paths[bisect_left(paths, inside) : end])


def _warn(layers: Sequence[LayerPlan], walk: Walk, control: Control) -> None:
    for paths, what in (
        (walk.left_out, "symbolic links left out: the files of a directory are packed where it is"),
        (walk.from_outside, "symbolic links followed to files outside of the context"),
        (walk.junk, "caches and the like left out: --all-files, or a ! in .kitignore, takes them"),
    ):
        if paths:
            first = f"{paths[0]}, …" if len(paths) > 1 else paths[0]
            control.emit(Event("warning", paths[0], detail=f"{len(paths)} {what} ({first})"))
    for layer in layers:
        if not layer.file_count and layer.section != "model":
            detail = (
                "its layer has no files: the directory is empty, or the ignore rules and other layers take them all"
            )
            control.emit(Event("warning", layer.path, detail=detail))

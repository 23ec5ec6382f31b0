"""Files that stand for weights or data that are not there: Git LFS pointers, and downloads that were interrupted.

Only the beginning of a file is read: of those as short as a pointer, and of weights whose format says how long they
are.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from math import prod
from typing import BinaryIO

from kitops_core.errors import SourceError
from kitops_core.layers.context import problems_error
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import FIELDS, SIZE, Folder

_SECTIONS = ("model", "modelpart", "dataset")
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"  # Git LFS, docs/spec.md
_POINTER_BYTES = range(120, 200)  # those without extensions have 126 to 145
_WITH_HEADERS = (b".safetensors", b".gguf")
_MAX_HEADER = 100_000_000  # what the safetensors library takes at most
# Sizes of GGUF's plain types by their numbers, and of a block of a tensor's elements: how many, and bytes (gguf.md and
# ggml-common.h of ggml). Of other tensors only the first byte is asked for.
_GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_GGUF_STRING, _GGUF_ARRAY = 8, 9
_GGUF_START = 24  # magic, version, and how many tensors and values there are
_GGUF_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 30: (1, 2)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
}


def check_complete(layers: Sequence[LayerPlan], *, allow_pointers: bool = False) -> None:
    """See that models and datasets are what their files say.

    Args:
        layers: What is to be packed.
        allow_pointers: Pack Git LFS pointers as they are.

    Raises:
        SourceError: They are not; all such files are named, the first of many.
    """
    problems = []
    pointers = False
    for layer in layers:
        for name, size, folder, index in _files(layer) if layer.section in _SECTIONS else ():
            try:
                if not allow_pointers and size in _POINTER_BYTES and _starts_with(folder, index, _POINTER):
                    problems.append(f"'{os.fsdecode(name)}' is a Git LFS pointer, not the file itself")
                    pointers = True
                elif (wanted := _wanted_bytes(name, folder, index)) > size:
                    problems.append(f"'{os.fsdecode(name)}' has {size} bytes, and its header asks for {wanted} or more")
            except OSError as error:
                raise SourceError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}") from None
    if problems:
        hint = "run `git lfs pull` (--allow-lfs-pointers packs them as they are)" if pointers else "download them again"
        raise problems_error(problems, hint)


def _files(layer: LayerPlan) -> Iterator[tuple[bytes, int, Folder, int]]:
    """Name in the kit, size, directory and index in it of each file of a layer that has to be looked into."""
    for folder, index in layer.members():
        if index not in folder.folders:
            name, size = folder.names[index], folder.stats[index * FIELDS + SIZE]
            if size in _POINTER_BYTES or name.endswith(_WITH_HEADERS):
                yield folder.prefix + name, size, folder, index


def _starts_with(folder: Folder, index: int, start: bytes) -> bool:
    found = folder.stored(index)
    if found is not None:
        return found.read(0, min(len(start), found.size)) == start
    handle = os.open(
        folder.path(folder.names[index]), os.O_RDONLY | os.O_CLOEXEC
    )  # a third of what open() costs, and there may be many
    try:
        return os.read(handle, len(start)) == start
    finally:
        os.close(handle)


def _wanted_bytes(name: bytes, folder: Folder, index: int) -> int:
    """How long the file has to be by its own header; 0 where it has none that says so."""
    if not name.endswith(_WITH_HEADERS):
        return 0
    with folder.open(index) as file:
        return _safetensors_bytes(file) if name.endswith(b".safetensors") else _Gguf(file).wanted_bytes()


def _safetensors_bytes(file: BinaryIO) -> int:
    """Eight bytes with the header's length, the header, which says where each tensor ends, and the tensors."""
    start = file.read(9)
    if len(start) < 9 or start[8:] != b"{":
        return 0
    (length,) = struct.unpack("<Q", start[:8])
    if length > _MAX_HEADER:
        return 0
    header = start[8:] + file.read(length - 1)
    if len(header) < length:
        return int(8 + length)
    try:
        tensors = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        return int(8 + length + max(ends, default=0))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return 0


class _EndsError(Exception):
    """The file ends before a byte that its header has to have."""


class _Gguf:
    """The header of a GGUF file: named values, and where each tensor begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        file.seek(0)

    def wanted_bytes(self) -> int:
        """How long the file has to be at least; 0 where it is no GGUF that we can read."""
        if self._file.read(4) != b"GGUF" or self._end < _GGUF_START:
            return 0
        try:
            version, tensors, values = self._read("<IQQ")
            if version not in (2, 3) or max(tensors, values) > _MAX_HEADER:
                return 0
            alignment = 32
            for _ in range(values):
                name = self._string()
                (kind,) = self._read("<I")
                if name == b"general.alignment" and kind == 4:
                    (alignment,) = self._read("<I")
                else:
                    self._skip_value(kind)
            end = max([self._tensor_end() for _ in range(tensors)], default=0)
            return -(-self._file.tell() // max(alignment, 1)) * max(alignment, 1) + end
        except _EndsError:
            return self._end + 1
        except (ValueError, KeyError):
            return 0

    def _read(self, layout: str) -> tuple[int, ...]:
        data = self._file.read(struct.calcsize(layout))
        if len(data) < struct.calcsize(layout):
            raise _EndsError
        return struct.unpack(layout, data)

    def _skip(self, count: int) -> None:
        if count > self._end - self._file.tell():
            raise _EndsError
        self._file.seek(count, os.SEEK_CUR)

    def _string(self) -> bytes:
        (length,) = self._read("<Q")
        if length > _MAX_HEADER:
            raise ValueError(length)
        return self._file.read(length)

    def _skip_value(self, kind: int) -> None:
        if kind == _GGUF_STRING:
            (length,) = self._read("<Q")
            self._skip(length)
        elif kind == _GGUF_ARRAY:
            inner, count = self._read("<IQ")
            if inner in _GGUF_SIZES:
                self._skip(count * _GGUF_SIZES[inner])
                return
            if inner != _GGUF_STRING or count > _MAX_HEADER:
                raise ValueError(inner)
            for _ in range(count):
                self._skip_value(inner)
        else:
            self._skip(_GGUF_SIZES[kind])

    def _tensor_end(self) -> int:
        self._string()
        (dimensions,) = self._read("<I")
        if dimensions > 8:
            raise ValueError(dimensions)
        shape = self._read(f"<{dimensions}Q")
        kind, offset = self._read("<IQ")
        elements, size = _GGUF_BLOCKS.get(kind, (0, 0))
        return offset + (prod(shape) // elements * size if elements else 1)

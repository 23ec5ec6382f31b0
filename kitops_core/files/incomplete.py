"""Files that stand for weights or data that are not there: Git LFS pointers, and downloads that were interrupted.

Only the beginning of a file is read: of those as short as a pointer, and of weights whose format says how long they
are.
"""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from math import prod
from typing import BinaryIO

SECTIONS = ("model", "modelpart", "dataset")
"""What of a kit is to be whole; in code, a pointer may be one that is meant."""

POINTER_HINT = "run `git lfs pull`"
CUT_HINT = "download them again"

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


def may_be_incomplete(name: bytes, size: int) -> bool:
    """Whether a file has to be looked into: it is as long as a pointer, or says itself how long it is."""
    return size in _POINTER_BYTES or name.endswith(_WITH_HEADERS)


def is_pointer(size: int, start: bytes) -> bool:
    """Whether a file of this size that starts so is a Git LFS pointer."""
    return size in _POINTER_BYTES and start.startswith(_POINTER)


def find_fault(name: bytes, size: int, open_file: Callable[[], BinaryIO], *, allow_pointers: bool = False) -> str:
    """What keeps a file from being what its name says, as the rest of a sentence; empty where nothing does.

    Args:
        name: Its name, with or without directories.
        size: Its size in bytes.
        open_file: Opens it; asked only where :func:`may_be_incomplete`.
        allow_pointers: Take Git LFS pointers as they are.

    Raises:
        OSError: It cannot be read.
        EOFError: There is less of it to read than ``size`` says, and what is missing is needed.
    """
    if not may_be_incomplete(name, size):
        return ""
    with open_file() as file:
        if size in _POINTER_BYTES:
            if not allow_pointers and is_pointer(size, file.read(len(_POINTER))):
                return "is a Git LFS pointer, not the file itself"
            file.seek(0)
        wanted = 0
        if name.endswith(b".safetensors"):
            wanted = _safetensors_bytes(file, size)
        elif name.endswith(b".gguf"):
            wanted = _Gguf(file, size).wanted_bytes()
    return f"has {size} bytes, and its header asks for {wanted} or more" if wanted > size else ""


def checked(
    pieces: Iterable[memoryview], name: bytes, size: int, refuse: Callable[[str], Exception]
) -> Iterator[memoryview]:
    """The same pieces of a file from somewhere else, looked into while they pass.

    Args:
        pieces: The file from its beginning.
        name: Its name.
        size: Its size in bytes.
        refuse: Makes the error to raise of what :func:`find_fault` says.
    """
    undecided = may_be_incomplete(name, size)
    start, due = bytearray(), 0
    try:
        for piece in pieces:
            if undecided:
                start += piece
                if len(start) >= min(due, size):
                    try:
                        if fault := find_fault(name, size, lambda: io.BytesIO(start)):  # noqa: B023  # called at once
                            raise refuse(fault)
                        undecided = False
                        start.clear()
                    except EOFError:
                        due = 2 * len(start)  # the header goes on; one that is long is not read again with every piece
            yield piece
    finally:
        if isinstance(pieces, Generator):
            pieces.close()  # with the connection that it reads from


def _read(file: BinaryIO, count: int, size: int) -> bytes:
    """``count`` bytes, or what there is of them up to the file's end.

    Raises:
        EOFError: The file goes on, but not what we were given of it.
    """
    there = min(count, size - file.tell())
    data = file.read(there)
    if len(data) < there:
        raise EOFError
    return data


def _safetensors_bytes(file: BinaryIO, size: int) -> int:
    """Eight bytes with the header's length, the header, which says where each tensor ends, and the tensors."""
    start = _read(file, 9, size)
    if len(start) < 9 or start[8:] != b"{":
        return 0
    (length,) = struct.unpack("<Q", start[:8])
    if length > _MAX_HEADER:
        return 0
    header = start[8:] + _read(file, length - 1, size)
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

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._end = size

    def wanted_bytes(self) -> int:
        """How long the file has to be at least; 0 where it is no GGUF that we can read."""
        if _read(self._file, 4, self._end) != b"GGUF" or self._end < _GGUF_START:
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
        data = _read(self._file, struct.calcsize(layout), self._end)
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
        return _read(self._file, length, self._end)

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

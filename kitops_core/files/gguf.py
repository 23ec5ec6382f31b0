"""The header of a GGUF file (``gguf.md`` of ggml): what it says of the model, and where its tensors are."""

from __future__ import annotations

import os
import struct
from math import prod
from typing import BinaryIO

MAX_HEADER_BYTES = 100_000_000
"""How long a header may be: what the safetensors library takes at most."""

# Sizes of GGUF's plain types by their numbers, and of a block of a tensor's elements: how many, and bytes (gguf.md and
# ggml-common.h of ggml). Of other tensors only the first byte is asked for.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_START = 24  # magic, version, and how many tensors and values there are
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 30: (1, 2)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
}


def read_up_to(file: BinaryIO, count: int, size: int) -> bytes:
    """``count`` bytes, or what there is of them up to the file's end.

    Raises:
        EOFError: The file goes on, but not what we were given of it.
    """
    there = min(count, size - file.tell())
    data = file.read(there)
    if len(data) < there:
        raise EOFError
    return data


class _EndsError(Exception):
    """The file ends before a byte that its header has to have."""


class GgufHeader:
    """The header of a GGUF file: named values, and where each tensor begins.

    Attributes:
        values: Where each value is, by its name, once :meth:`wanted_bytes` has read it: its type, begin and end.
        tensors: Each tensor's type, shape and offset by its name.
        data: Where the tensors begin, from which their offsets count.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read ``file``, which has ``size`` bytes."""
        self._file = file
        self._end = size
        self.values: dict[bytes, tuple[int, int, int]] = {}
        self.tensors: dict[bytes, tuple[int, tuple[int, ...], int]] = {}
        self.data = 0

    def wanted_bytes(self) -> int:
        """How long the file has to be at least; 0 where it is no GGUF that we can read."""
        if read_up_to(self._file, 4, self._end) != b"GGUF" or self._end < _START:
            return 0
        try:
            version, tensors, values = self._read("<IQQ")
            if version not in (2, 3) or max(tensors, values) > MAX_HEADER_BYTES:
                return 0
            alignment = 32
            for _ in range(values):
                name = self._string()
                (kind,) = self._read("<I")
                begin = self._file.tell()
                if name == b"general.alignment" and kind == 4:
                    (alignment,) = self._read("<I")
                else:
                    self._skip_value(kind)
                self.values[name] = (kind, begin, self._file.tell())
            end = max([self._tensor_end() for _ in range(tensors)], default=0)
            self.data = -(-self._file.tell() // max(alignment, 1)) * max(alignment, 1)
            return self.data + end
        except _EndsError:
            return self._end + 1
        except (ValueError, KeyError):
            return 0

    def _read(self, layout: str) -> tuple[int, ...]:
        data = read_up_to(self._file, struct.calcsize(layout), self._end)
        if len(data) < struct.calcsize(layout):
            raise _EndsError
        return struct.unpack(layout, data)

    def _skip(self, count: int) -> None:
        if count > self._end - self._file.tell():
            raise _EndsError
        self._file.seek(count, os.SEEK_CUR)

    def _string(self) -> bytes:
        (length,) = self._read("<Q")
        if length > MAX_HEADER_BYTES:
            raise ValueError(length)
        return read_up_to(self._file, length, self._end)

    def _skip_value(self, kind: int) -> None:
        if kind == _STRING:
            (length,) = self._read("<Q")
            self._skip(length)
        elif kind == _ARRAY:
            inner, count = self._read("<IQ")
            if inner in _SIZES:
                self._skip(count * _SIZES[inner])
                return
            if inner != _STRING or count > MAX_HEADER_BYTES:
                raise ValueError(inner)
            for _ in range(count):
                self._skip_value(inner)
        else:
            self._skip(_SIZES[kind])

    def _tensor_end(self) -> int:
        name = self._string()
        (dimensions,) = self._read("<I")
        if dimensions > 8:
            raise ValueError(dimensions)
        shape = self._read(f"<{dimensions}Q")
        kind, offset = self._read("<IQ")
        self.tensors[name] = (kind, shape, offset)
        elements, size = _BLOCKS.get(kind, (0, 0))
        return offset + (prod(shape) // elements * size if elements else 1)

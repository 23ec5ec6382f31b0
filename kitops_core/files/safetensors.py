"""The header of a safetensors file: eight bytes with its length, and JSON that says where each tensor is."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

from kitops_core.files.gguf import MAX_HEADER_BYTES, read_up_to


def read_header(file: BinaryIO, size: int) -> tuple[int, Any]:
    """Where the tensors begin, and what the header says.

    Args:
        file: The file, at its beginning.
        size: How many bytes it has.

    Returns:
        0 and ``None`` where it is no such file; the header is ``None`` too where the file ends within it, or it is no
        JSON.

    Raises:
        EOFError: The file goes on, but not what we were given of it.
    """
    start = read_up_to(file, 9, size)
    if len(start) < 9 or start[8:] != b"{":
        return 0, None
    (length,) = struct.unpack("<Q", start[:8])
    if length > MAX_HEADER_BYTES:
        return 0, None
    header = start[8:] + read_up_to(file, length - 1, size)
    if len(header) < length:
        return 8 + length, None
    try:
        return 8 + length, json.loads(header)
    except (ValueError, RecursionError):
        return 8 + length, None

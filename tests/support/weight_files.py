"""Files of weights, as the libraries of their formats write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

Tensors = dict[str, bytes]
"""Names and contents; all are 8-bit integers."""


def safetensors(tensors: Tensors, metadata: dict[str, str] | None = None, *, backwards: bool = False) -> bytes:
    """A file as the reference library writes it: the header's length, the header, the tensors one after the other."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata is not None else {}
    data = b""
    for name in sorted(tensors, reverse=backwards):
        header[name] = {
            "dtype": "U8",
            "shape": [len(tensors[name])],
            "data_offsets": [len(data), len(data + tensors[name])],
        }
        data += tensors[name]
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def gguf(tensors: Tensors, values: dict[str, str | int]) -> bytes:
    """A file of 8-bit integers (type 24), aligned to 32 bytes."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    raw = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for name, value in values.items():
        kind = struct.pack("<I", 8) + text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
        raw += text(name) + kind
    data = b""
    for name, content in tensors.items():
        raw += text(name) + struct.pack("<IQIQ", 1, len(content), 24, len(data))
        data += content + bytes(-len(content) % 32)
    return raw + bytes(-len(raw) % 32) + data


def archive(members: Tensors, year: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, content in members.items():
            written.writestr(zipfile.ZipInfo(name, (year, 1, 2, 3, 4, 6)), content)
    return file.getvalue()


def onnx(tensors: Tensors, values: dict[str, str | int]) -> bytes:
    """A model whose only node adds its first initializer to the input; written as protobuf writes it."""

    def number(value: int) -> bytes:
        low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
        return low + number(value >> 7) if value > 0x7F else low

    def entry(field: int, content: bytes | str | int) -> bytes:
        if isinstance(content, int):
            return number(field << 3) + number(content)
        raw = content.encode() if isinstance(content, str) else content
        return number(field << 3 | 2) + number(len(raw)) + raw

    node = entry(1, "x") + entry(1, next(iter(tensors))) + entry(2, "y") + entry(4, "Add")
    graph = entry(1, node) + entry(2, "main")
    for name, content in tensors.items():
        graph += entry(5, entry(1, len(content)) + entry(2, 2) + entry(8, name) + entry(9, content))
    said = b"".join(entry(14, entry(1, name) + entry(2, str(value))) for name, value in values.items())
    return entry(1, 9) + entry(7, graph) + entry(8, entry(2, 17)) + said

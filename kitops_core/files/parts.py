"""What a file of weights is made of: each tensor or member by its name and a hash, apart from what is said about them.

Two exports of one model often differ in a date or an order alone; this tells that apart from other weights. A file is
read once, front to back.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from kitops_core.files.gguf import MAX_HEADER_BYTES, GgufHeader
from kitops_core.files.onnx import read_onnx
from kitops_core.files.safetensors import read_header

Format = Literal["safetensors", "gguf", "onnx", "zip", ""]
_SUFFIXES: dict[str, Format] = {
    **{"safetensors": "safetensors", "gguf": "gguf", "onnx": "onnx"},
    **dict.fromkeys(("zip", "npz", "keras", "skops", "pt", "pth", "mar", "bin"), "zip"),
}
_IN_MEMORY = 64 * 1024 * 1024
_GGUF_TEXT, _GGUF_ARRAY, _GGUF_BOOL = 8, 9, 7
_GGUF_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 10: "<Q", 11: "<q", 12: "<d"}
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class FileParts:
    """What a file is made of.

    Attributes:
        format: What it was read as, or an empty string where it is only hashed.
        digest: Of the whole file.
        said: What it says besides its parts, in words: metadata by name, dates of members.
        parts: Tensors or members by name: a hash of each with its type and shape.
        nodes: What is computed with them, of ONNX: nodes by name, a hash of each.
    """

    format: Format
    digest: str
    said: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)


def read_parts(name: str, size: int, chunks: Iterable[memoryview]) -> FileParts:
    """Read a file.

    Args:
        name: Its name, by whose ending its format is known.
        size: How many bytes it has.
        chunks: The file from its beginning; each is looked at before the next is asked for.
    """
    kind = _SUFFIXES.get(name.rpartition(".")[2].lower(), "")
    whole = hashlib.sha256()

    def hashed() -> Iterator[memoryview]:
        for chunk in chunks:
            whole.update(chunk)
            yield chunk

    stream = hashed()
    said: dict[str, str] | None = {}
    parts: dict[str, str] = {}
    nodes: dict[str, str] = {}
    if kind == "onnx":
        read = read_onnx(stream, size)
        said, parts, nodes = (read.said, read.tensors, read.nodes) if read is not None else (None, {}, {})
        said = {_short(name): _short(text) for name, text in said.items()} if said is not None else None
    elif kind == "zip":
        said = _zip(stream, parts)
    elif kind:
        said = _tensors(stream, size, _safetensors if kind == "safetensors" else _gguf, parts)
    for _ in stream:  # what follows
        pass
    digest = f"sha256:{whole.hexdigest()}"
    return FileParts("", digest) if said is None else FileParts(kind, digest, said, parts, nodes)


def differences(before: FileParts, after: FileParts) -> list[str]:
    """What differs between two files, a sentence each; none where they are the same bytes."""
    if before.digest == after.digest:
        return []
    if not before.format or before.format != after.format:
        return ["other bytes"]
    what = "members" if before.format == "zip" else "tensors"
    lines = [*_named(before.parts, after.parts, what)]
    if before.nodes or after.nodes:
        lines += _named(before.nodes, after.nodes, "nodes")
    for name in dict.fromkeys([*before.said, *after.said]):
        was, now = before.said.get(name, "(none)"), after.said.get(name, "(none)")
        if was != now:
            lines.append(f"{name}: {was} → {now}")
    if all(line.startswith("the same") for line in lines):
        lines.append("another order or layout")
    return lines


def _named(before: Mapping[str, str], after: Mapping[str, str], what: str) -> Iterator[str]:
    """What was added, removed and changed, by name; or that nothing was."""
    same = True
    for change, names in (
        ("added", [name for name in after if name not in before]),
        ("removed", [name for name in before if name not in after]),
        ("changed", [name for name in after if before.get(name, after[name]) != after[name]]),
    ):
        if names:
            same = False
            yield f"{len(names)} of {len(after)} {what} {change}: {_some(names)}"
    if same:
        yield f"the same {len(after)} {what}"


def _some(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


@dataclass(frozen=True)
class _Tensor:
    """A tensor as its file's header has it, and which bytes of the file it is."""

    name: str
    about: str
    begin: int
    end: int


def _tensors(
    stream: Iterator[memoryview],
    size: int,
    read_header: Callable[[bytes, int], tuple[dict[str, str], list[_Tensor]] | None],
    parts: dict[str, str],
) -> dict[str, str] | None:
    """Hash each tensor by itself; what the header says, or ``None`` where it cannot be read."""
    start = bytearray()
    due = 0
    header = None
    for chunk in stream:
        start += chunk
        if len(start) < min(due, size):
            continue
        try:
            header = read_header(bytes(start), size)
            break
        except EOFError:
            due = 2 * len(start)
            if len(start) > MAX_HEADER_BYTES:
                return None
    if header is None:
        return None
    said, tensors = header
    left = sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end))
    if any(one.end > two.begin for one, two in pairwise(left)) or (left and left[-1].end > size):
        return None  # no writer makes such a file
    hashes = {tensor.name: hashlib.sha256() for tensor in left}
    at, index = 0, 0

    def take(chunk: memoryview) -> None:
        nonlocal at, index
        while index < len(left) and left[index].begin < at + len(chunk):
            tensor = left[index]
            hashes[tensor.name].update(chunk[max(0, tensor.begin - at) : max(0, tensor.end - at)])
            if tensor.end > at + len(chunk):
                break
            index += 1
        at += len(chunk)

    take(memoryview(start))
    for chunk in stream:
        take(chunk)
    parts.update({tensor.name: f"{tensor.about} {hashes[tensor.name].hexdigest()}" for tensor in left})
    return dict(said)


def _safetensors(data: bytes, size: int) -> tuple[dict[str, str], list[_Tensor]] | None:
    begin, header = read_header(io.BytesIO(data), size)
    try:
        said = {str(name): _short(str(value)) for name, value in (header.pop("__metadata__", None) or {}).items()}
        tensors = [
            _Tensor(name, f"{one['dtype']} {one['shape']}", *(begin + int(at) for at in one["data_offsets"]))
            for name, one in header.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError):  # also where there is none
        return None
    return said, tensors


def _gguf(data: bytes, size: int) -> tuple[dict[str, str], list[_Tensor]] | None:
    header = GgufHeader(io.BytesIO(data), size)
    if not 0 < header.wanted_bytes() <= size:
        return None
    said = {_text(name): _gguf_value(kind, data[begin:end]) for name, (kind, begin, end) in header.values.items()}
    begins = sorted({offset for _, _, offset in header.tensors.values()})
    following = dict(zip(begins, [*begins[1:], size - header.data], strict=True))
    tensors = [
        _Tensor(_text(name), f"type {kind} {list(shape)}", header.data + offset, header.data + following[offset])
        for name, (kind, shape, offset) in header.tensors.items()
    ]
    return said, tensors


def _gguf_value(kind: int, raw: bytes) -> str:
    if kind == _GGUF_TEXT:
        return _short(_text(raw[8:]))
    if kind == _GGUF_BOOL:
        return str(raw != b"\0").lower()
    if kind in _GGUF_NUMBERS:
        return str(struct.unpack(_GGUF_NUMBERS[kind], raw)[0])
    return f"a list with sha256 {hashlib.sha256(raw).hexdigest()[:12]}"


def _zip(stream: Iterator[memoryview], parts: dict[str, str]) -> dict[str, str] | None:
    """Members by their checksums; a zip is read from its end, so it is kept meanwhile."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        for chunk in stream:
            kept.write(chunk)
        try:
            with zipfile.ZipFile(kept) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error):
            return None
    parts.update({member.filename: f"{member.file_size} {member.CRC:08x}" for member in members})
    dates = sorted({"{}-{:02}-{:02} {:02}:{:02}:{:02}".format(*member.date_time) for member in members})
    return {"dates of members": dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"} if dates else {}


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"

"""What a file of weights is made of: each tensor or member by its name and a hash, apart from what is said about them.

Two exports of one model often differ in a date or an order alone; this tells that apart from other weights. A file is
read once, front to back; or only as far as its header goes, which tells tensors of another type or shape.
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
from typing import Literal, Protocol

from kitops_core.files.gguf import MAX_HEADER_BYTES, GgufHeader
from kitops_core.files.onnx import read_onnx
from kitops_core.files.safetensors import read_header
from kitops_core.wording import count_text

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
        digest: Of the whole file; of where each tensor is where only the header was read.
        said: What it says besides its parts, in words: metadata by name, dates of members.
        parts: Tensors or members by name: what is known of each, such as its type and shape.
        hashes: Tensors by name: a hash of each.
        nodes: What is computed with them, of ONNX: nodes by name, a hash of each.
        header_only: Whether only the header was read, and so no hashes are known.
    """

    format: Format
    digest: str
    said: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    header_only: bool = False


def read_parts(name: str, size: int, chunks: Iterable[memoryview], *, header_only: bool = False) -> FileParts:
    """Read a file.

    Args:
        name: Its name, by whose ending its format is known.
        size: How many bytes it has.
        chunks: The file from its beginning; each is looked at before the next is asked for.
        header_only: Of safetensors and GGUF, read no further than the header goes.
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
    hashes: dict[str, str] = {}
    nodes: dict[str, str] = {}
    if kind == "onnx":
        read = read_onnx(stream, size)
        said, parts, nodes = (read.said, read.tensors, read.nodes) if read is not None else (None, {}, {})
        said = {_short(name): _short(text) for name, text in said.items()} if said is not None else None
    elif kind == "zip":
        said = _zip(stream, parts)
    elif kind:
        start = bytearray()
        header = _header(stream, size, _safetensors if kind == "safetensors" else _gguf, start)
        said = header[0] if header else None
        if header:
            parts = {tensor.name: tensor.about for tensor in header[1]}
            if header_only:
                return FileParts(kind, _layout(header[1]), header[0], parts, header_only=True)
            hashes = _hashes(start, stream, header[1])
    for _ in stream:  # what follows
        pass
    digest = f"sha256:{whole.hexdigest()}"
    return FileParts("", digest) if said is None else FileParts(kind, digest, said, parts, hashes, nodes)


def seen_to_differ(before: FileParts, after: FileParts) -> bool:
    """Whether two files differ in what was read of them; where that is all of both, whether they differ."""
    if not (before.header_only or after.header_only):
        return before.digest != after.digest
    moved = before.header_only and after.header_only and before.digest != after.digest
    seen = [(file.format, file.parts, file.said) for file in (before, after)]
    return moved or seen[0] != seen[1]


def differences(before: FileParts, after: FileParts) -> list[str]:
    """What differs between two files, a sentence each; none where they are the same bytes.

    Where only the header of one was read, the last one says so, and nothing is said of hashes.
    """
    header_only = before.header_only or after.header_only
    if before.digest == after.digest and not header_only:
        return []
    if not before.format or before.format != after.format:
        return ["other bytes"]
    what, by, unread = (
        ("member", "", "contents") if before.format == "zip" else ("tensor", " in type or shape", "values")
    )
    old, new = (
        {name: (about, "" if header_only else file.hashes.get(name, "")) for name, about in file.parts.items()}
        for file in (before, after)
    )
    lines = [*_named(old, new, what, by if header_only else "")]
    if before.nodes or after.nodes:
        lines += _named(before.nodes, after.nodes, "node")
    for name in dict.fromkeys([*before.said, *after.said]):
        was, now = before.said.get(name, "(none)"), after.said.get(name, "(none)")
        if was != now:
            lines.append(f"{name}: {was} → {now}")
    if all(line.startswith("the same") for line in lines) and seen_to_differ(before, after):
        lines.append("another order or layout")
    if header_only:
        lines.append(f"{unread} were not read")
    return lines


def _named(before: Mapping[str, object], after: Mapping[str, object], what: str, by: str = "") -> Iterator[str]:
    """What was added, removed and changed, by name; or that nothing was."""
    same = True
    for change, names in (
        ("added", [name for name in after if name not in before]),
        ("removed", [name for name in before if name not in after]),
        ("changed", [name for name in after if before.get(name, after[name]) != after[name]]),
    ):
        if names:
            same = False
            how = f"{change}{by}" if change == "changed" else change
            yield f"{len(names)} of {count_text(len(after), what)} {how}: {_some(names)}"
    if same:
        yield f"the same {count_text(len(after), what)}"


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


_Header = tuple[dict[str, str], list[_Tensor]]


def _header(
    stream: Iterator[memoryview], size: int, read_header: Callable[[bytes, int], _Header | None], start: bytearray
) -> _Header | None:
    """What the header says, and the tensors in their order in the file; ``None`` where it cannot be read.

    What was read of the stream meanwhile is added to ``start``.
    """
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
    tensors = sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end))
    if any(one.end > two.begin for one, two in pairwise(tensors)) or (tensors and tensors[-1].end > size):
        return None  # no writer makes such a file
    return said, tensors


def _layout(tensors: list[_Tensor]) -> str:
    return "layout:" + hashlib.sha256(repr(tensors).encode()).hexdigest()


def _hashes(start: bytearray, stream: Iterator[memoryview], tensors: list[_Tensor]) -> dict[str, str]:
    """Hash each tensor by itself, of which ``start`` and then ``stream`` have the bytes."""
    hashes = {tensor.name: hashlib.sha256() for tensor in tensors}
    at, index = 0, 0

    def take(chunk: memoryview) -> None:
        nonlocal at, index
        while index < len(tensors) and tensors[index].begin < at + len(chunk):
            tensor = tensors[index]
            hashes[tensor.name].update(chunk[max(0, tensor.begin - at) : max(0, tensor.end - at)])
            if tensor.end > at + len(chunk):
                break
            index += 1
        at += len(chunk)

    take(memoryview(start))
    for chunk in stream:
        take(chunk)
    return {name: hash.hexdigest() for name, hash in hashes.items()}


def _safetensors(data: bytes, size: int) -> tuple[dict[str, str], list[_Tensor]] | None:
    begin, header = read_header(io.BytesIO(data), size)
    try:
        said = {str(name): _short(str(value)) for name, value in (header.pop("__metadata__", None) or {}).items()}
        tensors = [
            _Tensor(name, f"{one['dtype']} {one['shape']}", *(begin + int(at) for at in one["data_offsets"]))
            for name, one in header.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):  # also where there is none
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


class Seekable(Protocol):
    """What a zip is read from: a file, or parts of one."""

    def tell(self) -> int:
        """Where the next byte is read."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go elsewhere."""

    def read(self, count: int = ..., /) -> bytes:
        """So many bytes."""


class _Limited:
    """A zip whose directory is not too long for memory, whatever the zip says of it."""

    def __init__(self, file: Seekable) -> None:
        self.tell, self.seek = file.tell, file.seek
        self._file = file

    def read(self, count: int = -1, /) -> bytes:
        if count > MAX_HEADER_BYTES:
            raise zipfile.BadZipFile
        return self._file.read(count)


def read_directory(name: str, file: Seekable) -> FileParts | None:
    """What the directory at a zip's end says, read alone; ``None`` where it is no zip by its name or its bytes.

    Args:
        name: Its name, by whose ending its format is known.
        file: The file; few of its bytes are read, most of them at its end.
    """
    if _SUFFIXES.get(name.rpartition(".")[2].lower()) != "zip":
        return None
    members = _members(file)
    if members is None:
        return None
    order = hashlib.sha256(repr([(member.filename, member.header_offset) for member in members]).encode()).hexdigest()
    return FileParts("zip", f"layout:{order}", _dates(members), _checksums(members), header_only=True)


def _zip(stream: Iterator[memoryview], parts: dict[str, str]) -> dict[str, str] | None:
    """Members by their checksums; a zip is read from its end, so it is kept meanwhile."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        for chunk in stream:
            kept.write(chunk)
        members = _members(kept)
    if members is None:
        return None
    parts.update(_checksums(members))
    return _dates(members)


def _members(file: Seekable) -> list[zipfile.ZipInfo] | None:
    try:
        with zipfile.ZipFile(_Limited(file)) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error):
        return None


def _checksums(members: list[zipfile.ZipInfo]) -> dict[str, str]:
    return {member.filename: f"{member.file_size} {member.CRC:08x}" for member in members}


def _dates(members: list[zipfile.ZipInfo]) -> dict[str, str]:
    dates = sorted({"{}-{:02}-{:02} {:02}:{:02}:{:02}".format(*member.date_time) for member in members})
    return {"dates of members": dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"} if dates else {}


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"

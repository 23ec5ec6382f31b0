"""What an ONNX file is made of (``onnx.proto``): tensors, nodes, and what it says of itself; read once, front to back.

Only the few fields that are compared are read from protobuf's wire format. The library of the format would be 50 MB of
packages, and would take the whole file into memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_MOST_FIELDS, _MOST_PARTS, _MOST_TEXT_BYTES = 10_000_000, 500_000, 100_000_000
"""How many fields are looked at in one file, how much of it is kept by name, and how long all texts may be."""
_LONGEST_TEXT = 64 * 1024
_MOST_DIMENSIONS = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TYPES = (
    *("?", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64"),
    *("uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2"),
    *("float8e5m2fnuz", "uint4", "int4", "float4e2m1"),
)

# The numbers of fields, as onnx.proto has them.
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_PROPERTY, _MODEL_FUNCTION = 7, 8, 14, 25
_MODEL_NUMBERS = {1: "IR version", 5: "model version"}
_MODEL_TEXTS = {2: "producer", 3: "producer version", 4: "domain", 6: "description"}
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_TENSOR, _GRAPH_DESCRIPTION = 1, 2, 5, 10
_GRAPH_VALUES = {11: "input", 12: "output"}
_NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_NOTES = 2, 3, 4, (6, 9)
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_NOTES, _TENSOR_EXTERNAL = 1, 2, 8, (12, 16), 13


class _NoOnnxError(Exception):
    """The bytes are no ONNX file, or more than is looked into."""


@dataclass
class OnnxParts:
    """What a file is made of.

    Attributes:
        said: What it says of itself: operator sets, producer, properties, inputs and outputs, each by name.
        tensors: Initializers by name: type, shape, and a hash of the numbers, or the file that has them.
        nodes: Nodes by name, or by their first output where they have none: operator and a hash of all but notes.
    """

    said: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)


def read_onnx(stream: Iterator[memoryview], size: int) -> OnnxParts | None:
    """Read a file of ``size`` bytes; ``None`` where it is none of the format, or ends early.

    Args:
        stream: The file from its beginning; each piece is looked at before the next is asked for.
        size: How many bytes it has.
    """
    try:
        return _Model(_Wire(stream), size).read()
    except _NoOnnxError:
        return None


class _Wire:
    """Bytes in protobuf's wire format, of which no more than one piece is in memory."""

    def __init__(self, stream: Iterator[memoryview]) -> None:
        self._stream = stream
        self._piece = memoryview(b"")
        self._kept = self._fields = 0
        self.at = 0

    def fields(self, end: int) -> Iterator[tuple[int, int, int]]:
        """The fields up to ``end``: number, wire type, and the number that it is or how many bytes are to be taken."""
        while self.at < end:
            key = self.varint(end)
            number, kind = key >> 3, key & 7
            self._fields += 1
            value = self.varint(end) if kind in (_VARINT, _BYTES) else {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
            if value < 0 or (kind != _VARINT and value > end - self.at) or self._fields > _MOST_FIELDS or not number:
                raise _NoOnnxError
            yield number, kind, value

    def give(self, count: int, to: Callable[[memoryview], object]) -> None:
        """Hand so many bytes on."""
        while count:
            self._fill()
            part = self._piece[:count]
            to(part)
            self._piece = self._piece[len(part) :]
            self.at += len(part)
            count -= len(part)

    def pass_over(self, kind: int, value: int) -> None:
        """Leave out a field that nobody wants."""
        if kind != _VARINT:
            self.give(value, len)

    def take(self, count: int) -> bytes:
        """So many bytes, to be kept."""
        self._kept += count
        if count > _LONGEST_TEXT or self._kept > _MOST_TEXT_BYTES:
            raise _NoOnnxError
        taken = bytearray()
        self.give(count, taken.extend)
        return bytes(taken)

    def text(self, kind: int, count: int) -> str:
        """A text; what is longer than is kept is told by its hash."""
        if kind != _BYTES:
            raise _NoOnnxError
        if count <= _LONGEST_TEXT:
            return self.take(count).decode(errors="replace")
        digest = hashlib.sha256()
        self.give(count, digest.update)
        return f"{count} bytes with sha256 {digest.hexdigest()[:12]}"

    def message(self, kind: int, count: int) -> int:
        """Where a message that begins here ends."""
        if kind != _BYTES:
            raise _NoOnnxError
        return self.at + count

    def varint(self, end: int) -> int:
        """A number that has ended before ``end``."""
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= end:
                break
            self._fill()
            byte = self._piece[0]
            self._piece = self._piece[1:]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (1 << 64) - 1
        raise _NoOnnxError

    def _fill(self) -> None:
        while not self._piece:
            try:
                self._piece = next(self._stream)
            except StopIteration:
                raise _NoOnnxError from None


class _Model:
    """One file that is read."""

    def __init__(self, wire: _Wire, size: int) -> None:
        self._wire = wire
        self._size = size
        self._parts = OnnxParts()
        self._notes = hashlib.sha256()
        self._others = hashlib.sha256()
        self._any_notes = self._any_others = False
        self._named = 0

    def read(self) -> OnnxParts:
        wire, said = self._wire, self._parts.said
        graphs = 0
        for number, kind, value in wire.fields(self._size):
            if number == _MODEL_GRAPH:
                graphs += 1
                self._graph(wire.message(kind, value))
            elif number == _MODEL_OPSET:
                pair = self._pair(wire.message(kind, value))
                self._say(f"operators of {pair[0] or 'ai.onnx'}", str(pair[1]))
            elif number == _MODEL_PROPERTY:
                pair = self._pair(wire.message(kind, value))
                self._say(f"{pair[0]}", str(pair[1]))
            elif number in _MODEL_TEXTS:
                self._say(_MODEL_TEXTS[number], wire.text(kind, value))
            elif number in _MODEL_NUMBERS and kind == _VARINT:
                self._say(_MODEL_NUMBERS[number], str(value))
            else:
                self._other(number, kind, value)
        if graphs != 1 or _MODEL_NUMBERS[1] not in said:
            raise _NoOnnxError
        if self._any_notes:
            said["notes on nodes and tensors"] = f"sha256 {self._notes.hexdigest()[:12]}"
        if self._any_others:
            said["functions and other parts"] = f"sha256 {self._others.hexdigest()[:12]}"
        return self._parts

    def _graph(self, end: int) -> None:
        for number, kind, value in self._wire.fields(end):
            if number == _GRAPH_TENSOR:
                self._tensor(self._wire.message(kind, value))
            elif number == _GRAPH_NODE:
                self._node(self._wire.message(kind, value))
            elif number in _GRAPH_VALUES:
                name, about = self._value(self._wire.message(kind, value))
                self._say(f"{_GRAPH_VALUES[number]} {name}", about)
            elif number in (_GRAPH_NAME, _GRAPH_DESCRIPTION):
                self._say("graph" if number == _GRAPH_NAME else "graph's description", self._wire.text(kind, value))
            else:
                self._other(number, kind, value)

    def _tensor(self, end: int) -> None:
        wire, shape, kind_of, name = self._wire, list[int](), 0, ""
        external: dict[str, str] = {}
        numbers = hashlib.sha256()
        for number, kind, value in wire.fields(end):
            if number == _TENSOR_DIMENSIONS and kind == _VARINT:
                shape.append(value)
            elif number == _TENSOR_DIMENSIONS:
                packed = wire.message(kind, value)
                while wire.at < packed and len(shape) <= _MOST_DIMENSIONS:
                    shape.append(wire.varint(packed))
            elif number == _TENSOR_TYPE and kind == _VARINT:
                kind_of = value
            elif number == _TENSOR_NAME:
                name = wire.text(kind, value)
            elif number == _TENSOR_EXTERNAL:
                key, text = self._pair(wire.message(kind, value))
                external[key] = str(text)
            elif number in _TENSOR_NOTES:
                self._note(kind, value)
            else:
                self._hash(numbers, number, kind, value)
            if len(shape) > _MOST_DIMENSIONS or len(external) > _MOST_DIMENSIONS:
                raise _NoOnnxError
        held = f"in {' '.join(f'{key} {external[key]}' for key in sorted(external))}" if external else ""
        about = f"{_type(kind_of)} {shape} {held or numbers.hexdigest()}"
        self._keep(self._parts.tensors, name or "a tensor without a name", about)

    def _node(self, end: int) -> None:
        wire, name, output, operator = self._wire, "", "", ""
        rest = hashlib.sha256()
        for number, kind, value in wire.fields(end):
            if number in (_NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR):
                text = wire.text(kind, value)
                rest.update(f"{number} {text}\n".encode())
                name = text if number == _NODE_NAME else name
                output = output or text if number == _NODE_OUTPUT else output
                operator = text if number == _NODE_OPERATOR else operator
            elif number in _NODE_NOTES:
                self._note(kind, value)
            else:
                self._hash(rest, number, kind, value)
        self._keep(self._parts.nodes, name or output or operator, f"{operator} {rest.hexdigest()}")

    def _value(self, end: int) -> tuple[str, str]:
        """The name of an input or output, and its type and shape."""
        wire, name, about = self._wire, "", ""
        for number, kind, value in wire.fields(end):
            if number == 1:
                name = wire.text(kind, value)
            elif number == 2:
                about = self._type_of_value(wire.message(kind, value))
            else:
                wire.pass_over(kind, value)
        return name, about

    def _type_of_value(self, end: int) -> str:
        wire, found = self._wire, ""
        for number, kind, value in wire.fields(end):
            if number != 1:  # a sequence, a map, an optional value
                digest = hashlib.sha256()
                self._hash(digest, number, kind, value)
                found += f"a type with sha256 {digest.hexdigest()[:12]}"
                continue
            element, shape = 0, list[str]()
            for inner, inner_kind, inner_value in wire.fields(wire.message(kind, value)):
                if inner == 1 and inner_kind == _VARINT:
                    element = inner_value
                elif inner == 2:
                    shape = self._dimensions(wire.message(inner_kind, inner_value))
                else:
                    wire.pass_over(inner_kind, inner_value)
            found += f"{_type(element)} [{', '.join(shape)}]"
        return found

    def _dimensions(self, end: int) -> list[str]:
        shape: list[str] = []
        for _, kind, value in self._wire.fields(end):
            text = "?"
            for number, inner, count in self._wire.fields(self._wire.message(kind, value)):
                if number == 1 and inner == _VARINT:
                    text = str(count)
                elif number == 2:
                    text = self._wire.text(inner, count)
                else:
                    self._wire.pass_over(inner, count)
            if len(shape) == _MOST_DIMENSIONS:
                raise _NoOnnxError
            shape.append(text)
        return shape

    def _pair(self, end: int) -> tuple[str, str | int]:
        """A name, and what it has: a text, or the number of a version."""
        name, content = "", ""
        for number, kind, value in self._wire.fields(end):
            if number == 1:
                name = self._wire.text(kind, value)
            elif number == 2:
                content = str(value) if kind == _VARINT else self._wire.text(kind, value)
            else:
                self._wire.pass_over(kind, value)
        return name, content

    def _say(self, name: str, text: str) -> None:
        self._keep(self._parts.said, name, text)

    def _keep(self, among: dict[str, str], name: str, text: str) -> None:
        if name in among:  # which the format does not want, and files may have all the same
            text = f"{among[name]}; {text}"
        self._named += 1
        if self._named > _MOST_PARTS:
            raise _NoOnnxError
        if len(text) > _LONGEST_TEXT:
            text = f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
        among[name] = text

    def _note(self, kind: int, value: int) -> None:
        self._any_notes = True
        self._hash(self._notes, 0, kind, value)

    def _other(self, number: int, kind: int, value: int) -> None:
        self._any_others = True
        self._hash(self._others, number, kind, value)

    def _hash(self, digest: hashlib._Hash, number: int, kind: int, value: int) -> None:
        digest.update(f"{number} {kind} {value}\n".encode())
        if kind != _VARINT:
            self._wire.give(value, digest.update)


def _type(number: int) -> str:
    return _TYPES[number] if 0 < number < len(_TYPES) else f"type {number}"

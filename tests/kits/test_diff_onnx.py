"""What differs between two ONNX files: tensors, nodes, what they say; as the format's own library writes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_files import onnx as written

from kitops_core.files import onnx as reading
from kitops_core.files.parts import FileParts, differences, read_parts

WEIGHTS = {"w": [[1.0, 2.0], [3.0, 4.0]], "b": [0.5, 0.25]}


def parts(data: bytes, step: int = 1000) -> FileParts:
    view = memoryview(data)
    return read_parts("m.onnx", len(data), (view[at : at + step] for at in range(0, len(data), step)))


def model(**changes: Any) -> bytes:
    """A linear layer, of the library of the format."""
    onnx = pytest.importorskip("onnx", reason="comes with the group 'serving'")
    numpy = pytest.importorskip("numpy")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = {**WEIGHTS, **changes.get("weights", {})}
    tensors = [
        onnx.numpy_helper.from_array(numpy.array(values, "float32"), name)
        if changes.get("raw", True)
        else helper.make_tensor(name, floats, [2] * (2 if name == "w" else 1), _flat(values))
        for name, values in weights.items()
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"], name="multiply", doc_string=changes.get("note", "")),
        helper.make_node(changes.get("last", "Add"), ["xw", "b"], ["y"], name="last"),
    ]
    batch = changes.get("batch", "n")
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", floats, [batch, 2])],
        [helper.make_tensor_value_info("y", floats, [batch, 2])],
        tensors,
    )
    made = helper.make_model(
        graph, producer_name="us", opset_imports=[helper.make_opsetid("", changes.get("opset", 17))]
    )
    helper.set_model_props(made, {"epoch": changes.get("epoch", "3")})
    if "external" in changes:
        onnx.external_data_helper.convert_model_to_external_data(made, location="w.bin", size_threshold=0)
        onnx.save(made, changes["external"])
        return Path(changes["external"]).read_bytes()
    return bytes(made.SerializeToString())


def _flat(values: Any) -> list[float]:
    return [x for row in values for x in (row if isinstance(row, list) else [row])]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": {"b": [0.5, 0.5]}}, ["1 of 2 tensors changed: b", "the same 2 nodes"]),
        ({"last": "Sub"}, ["the same 2 tensors", "1 of 2 nodes changed: last"]),
        ({"epoch": "4"}, ["the same 2 tensors", "the same 2 nodes", "epoch: 3 → 4"]),
        ({"opset": 18}, ["the same 2 tensors", "the same 2 nodes", "operators of ai.onnx: 17 → 18"]),
        (
            {"batch": 8},
            [
                "the same 2 tensors",
                "the same 2 nodes",
                "input x: float32 [n, 2] → float32 [8, 2]",
                "output y: float32 [n, 2] → float32 [8, 2]",
            ],
        ),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], said: list[str]) -> None:
    assert differences(parts(model()), parts(model(**change))) == said


def test_where_the_code_stood_that_made_a_node_is_no_change_of_the_node() -> None:
    """torch writes a stack of the exporting program to every node."""
    one, two = parts(model(note="line 1")), parts(model(note="line 2"))
    same, nodes, notes = differences(one, two)
    assert (same, nodes) == ("the same 2 tensors", "the same 2 nodes")
    assert notes.startswith("notes on nodes and tensors: sha256 ")


def test_types_and_shapes_are_read_in_both_ways_that_protobuf_has_for_numbers() -> None:
    for raw in (True, False):
        found = parts(model(raw=raw))
        assert {name: about.rsplit(" ", 1)[0] for name, about in found.parts.items()} == {
            "w": "float32 [2, 2]",
            "b": "float32 [2]",
        }


def test_tensors_in_another_file_are_told_by_their_place_there(tmp_path: Path) -> None:
    found = parts(model(external=str(tmp_path / "m.onnx")))
    assert found.parts["b"] == "float32 [2] in length 8 location w.bin offset 16"


@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_only_hashed(data: bytes) -> None:
    assert parts(data, 7).digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


@settings(max_examples=300)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_a_file_with_a_wrong_byte_or_an_early_end_is_read_or_only_hashed(at: int, byte: int, cut: int) -> None:
    data = bytearray(written({"w": b"1" * 20, "b": b"2" * 300}, {"epoch": "3"}))
    data[at % len(data)] = byte
    assert parts(bytes(data), 50).format in ("onnx", "")
    assert parts(bytes(data)[: cut % len(data)], 50).format in ("onnx", "")


def test_what_would_take_too_much_time_or_memory_is_only_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written({f"t{number}": b"1" for number in range(50)}, {})
    assert parts(data).format == "onnx"
    for limit, most in (("_MOST_FIELDS", 100), ("_MOST_PARTS", 40), ("_MOST_TEXT_BYTES", 80)):
        with monkeypatch.context() as patch:
            patch.setattr(reading, limit, most)
            assert parts(data).format == "", limit


def test_no_piece_is_kept_once_the_next_is_asked_for() -> None:
    head = written({"w": b"1" * (1 << 20)}, {})
    piece = bytearray(1 << 16)

    def reused() -> Any:
        for at in range(0, len(head), len(piece)):
            part = head[at : at + len(piece)]
            piece[: len(part)] = part
            yield memoryview(piece)[: len(part)]

    assert read_parts("m.onnx", len(head), reused()) == parts(head)

"""What differs within layers: files, tensors and members by name, apart from what is said about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runner import ok
from hypothesis import given
from hypothesis import strategies as st
from layer_files import write_files
from weight_files import Tensors, archive, gguf, onnx, safetensors

import kitops_core as kitops
from kitops_core.errors import IntegrityError
from kitops_core.files.parts import FileParts, differences, read_parts
from kitops_core.wording import count_text


def parts(name: str, data: bytes, step: int = 7) -> FileParts:
    """Read in steps, from one buffer, as a layer is read."""
    buffer = bytearray(step)

    def chunks() -> Any:
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]

    return read_parts(name, len(data), chunks())


WRITERS = {
    "w.safetensors": lambda tensors, said: safetensors(tensors, {"epoch": str(said)}),
    "w.gguf": lambda tensors, said: gguf(tensors, {"general.name": f"run {said}", "general.epoch": said}),
    "w.onnx": lambda tensors, said: onnx(dict(sorted(tensors.items())), {"run": f"run {said}"}),
    "w.npz": lambda tensors, said: archive(tensors, 2020 + said),
}
NAMES = st.text("abc.0", min_size=1, max_size=6)
TENSORS = st.dictionaries(NAMES, st.binary(min_size=1, max_size=200), min_size=1, max_size=5)


@pytest.mark.parametrize("name", WRITERS)
@given(tensors=TENSORS, step=st.integers(1, 500), data=st.data())
def test_only_the_tensor_that_changed_is_named_however_the_file_is_read(
    name: str, tensors: Tensors, step: int, data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(sorted(tensors)))
    other = {**tensors, changed: bytes([tensors[changed][0] ^ 1]) + tensors[changed][1:]}
    one, two = (parts(name, WRITERS[name](content, 1), step) for content in (tensors, other))
    what = "member" if name.endswith("npz") else "tensor"
    same_nodes = ["the same 1 node"] if name.endswith("onnx") else []
    assert differences(one, two) == [f"1 of {count_text(len(tensors), what)} changed: {changed}", *same_nodes]
    assert set(one.parts) == set(tensors)


@pytest.mark.parametrize("name", WRITERS)
@given(tensors=TENSORS)
def test_the_same_tensors_are_said_to_be_the_same_whatever_else_differs(name: str, tensors: Tensors) -> None:
    same, *said = differences(parts(name, WRITERS[name](tensors, 1)), parts(name, WRITERS[name](tensors, 2)))
    assert same.startswith(f"the same {len(tensors)} ")
    assert (
        said
        == {
            "w.safetensors": ["epoch: 1 → 2"],
            "w.gguf": ["general.name: run 1 → run 2", "general.epoch: 1 → 2"],
            "w.onnx": ["the same 1 node", "run: run 1 → run 2"],
            "w.npz": ["dates of members: 2021-01-02 03:04:06 → 2022-01-02 03:04:06"],
        }[name]
    )


def test_another_order_is_said_to_be_that() -> None:
    tensors = {"a": b"12", "b": b"345"}
    one, two = (parts("w.safetensors", safetensors(tensors, backwards=backwards)) for backwards in (False, True))
    assert differences(one, two) == ["the same 2 tensors", "another order or layout"]


def test_what_is_added_and_what_goes_is_named_and_long_lists_are_cut() -> None:
    before = parts("w.safetensors", safetensors({f"t{number}": b"1" for number in range(9)}))
    after = parts("w.safetensors", safetensors({"t0": b"1", "new": b"2"}))
    assert differences(before, after) == [
        "1 of 2 tensors added: new",
        "8 of 2 tensors removed: t1, t2, t3, t4, t5 and 3 more",
    ]


@pytest.mark.parametrize("name", ["w.safetensors", "w.gguf", "w.onnx", "w.npz", "w.bin", "w.txt"])
@given(data=st.binary(max_size=300))
def test_what_only_has_a_formats_name_is_only_hashed(name: str, data: bytes) -> None:
    assert parts(name, data).format == ""
    assert differences(parts(name, data), parts(name, data + b"x")) == ["other bytes"]


@given(length=st.integers(0, 200))
def test_a_file_that_ends_early_is_only_hashed(length: int) -> None:
    whole = safetensors({"a": b"1" * 40, "b": b"2" * 40})
    assert parts("w.safetensors", whole[:length]).format == ""


# --- of kits ----------------------------------------------------------------------------------------------------------

KITFILE = "manifestVersion: 1.0.0\nmodel: {path: m/w.safetensors}\ncode: [{path: src}]\ndatasets: [{path: same.csv}]\n"


def pack(root: Path, tag: str, weights: bytes, **files: str) -> None:
    write_files(root, {"Kitfile": KITFILE, "m/w.safetensors": weights, "src/a.py": "a", "same.csv": "2222", **files})
    kitops.pack(root, f"churn:{tag}")


def damage(home: Path, reference: str, path: str) -> None:
    with kitops.open(reference) as kit:
        (digest,) = [layer.descriptor.digest for layer in kit.layers if layer.entry.path == path]
    (blob,) = home.rglob(digest.removeprefix("sha256:"))
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b"2", b"3"))


def test_files_of_changed_layers_are_compared_and_no_others_are_read(tmp_path: Path, home: Path) -> None:
    tensors = {"a": b"1" * 5000, "b": b"2" * 5000}
    pack(tmp_path / "1", "1", safetensors(tensors, {"epoch": "3"}), **{"src/old.py": "o"})
    pack(tmp_path / "2", "2", safetensors(tensors, {"epoch": "4"}), **{"src/new.py": "n", "src/a.py": "b"})
    damage(home, "churn:1", "same.csv")
    found = kitops.diff("churn:1", "churn:2", files=True)
    assert [(change.change, change.path, change.details) for change in found.files] == [
        ("changed", "m/w.safetensors", ("the same 2 tensors", "epoch: 3 → 4")),
        ("changed", "src/a.py", ("other bytes",)),
        ("removed", "src/old.py", ()),
        ("added", "src/new.py", ()),
    ]
    assert found.to_dict()["files"][0]["details"] == ("the same 2 tensors", "epoch: 3 → 4")
    assert kitops.diff("churn:1", "churn:2").files == ()


def test_the_command_shows_them(tmp_path: Path) -> None:
    pack(tmp_path / "1", "1", safetensors({"a": b"1"}, {"epoch": "3"}))
    pack(tmp_path / "2", "2", safetensors({"a": b"2"}, {"epoch": "3"}))
    lines = [line.split() for line in ok("diff", "churn:1", "churn:2", "--files").out.splitlines()]
    assert ["changed", "file", "m/w.safetensors", "1", "of", "1", "tensor", "changed:", "a"] in lines
    assert (
        json.loads(ok("diff", "churn:1", "churn:2", "--files", "--json").out)["files"][0]["path"] == "m/w.safetensors"
    )


def test_a_damaged_layer_is_an_error(tmp_path: Path, home: Path) -> None:
    pack(tmp_path / "1", "1", safetensors({"a": b"1"}))
    pack(tmp_path / "2", "2", safetensors({"a": b"2"}))
    damage(home, "churn:2", "m/w.safetensors")
    with pytest.raises(IntegrityError):
        kitops.diff("churn:1", "churn:2", files=True)

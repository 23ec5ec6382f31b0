"""``kitops init --servable``: the model and its parts below ``models/``, all of them or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit, ok

import kitops_core as kitops
from kitops_core.errors import ConflictError, InvalidInputError, SourceError
from kitops_core.kitfile import Kitfile
from kitops_core.serving.layout import lay_out

WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def kitfile(text: str) -> Kitfile:
    return Kitfile.parse(f"manifestVersion: 1.0.0\nmodel: {text}\n".encode())


def test_a_model_at_the_root_moves_with_its_parts_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md", "train.py"):
        (tmp_path / name).write_bytes(WEIGHTS if name.endswith("tensors") else b"{}")
    ran = ok("init", tmp_path, "--servable")
    assert "moved model.safetensors to models/model.safetensors" in ran.err
    assert tree(tmp_path) == {
        *("Kitfile", "README.md", "train.py"),
        *("models/model.safetensors", "models/config.json", "models/tokenizer.json"),
    }
    written = Kitfile.load(tmp_path / "Kitfile")
    assert written.model is not None
    assert written.model.path == "models/model.safetensors"
    assert {part.path for part in written.model.parts} == {"models/config.json", "models/tokenizer.json"}
    kitops.pack(tmp_path, "servable:1")
    assert kitops.image("servable:1").warnings == ()
    again = ok("init", tmp_path, "--servable", "--force")
    assert "moved" not in again.err
    model = Kitfile.load(tmp_path / "Kitfile").model
    assert model is not None
    assert (model.path, model.parts) == (written.model.path, written.model.parts)


def test_what_is_below_the_models_directory_keeps_its_place_and_parts_from_elsewhere_come_beside_it(
    tmp_path: Path,
) -> None:
    for name in ("weights/model.onnx", "weights/onnx/other.onnx", "tokenizer/vocab.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    described = kitfile("{path: weights/model.onnx, parts: [{path: weights/onnx/}, {path: tokenizer/vocab.txt}]}")
    assert lay_out(tmp_path, described) == {
        "tokenizer/vocab.txt": "models/vocab.txt",
        "weights/model.onnx": "models/model.onnx",
        "weights/onnx": "models/onnx",
    }
    assert tree(tmp_path) == {"models/model.onnx", "models/onnx/other.onnx", "models/vocab.txt"}


def test_a_model_that_is_a_directory_becomes_models_with_the_parts_in_it(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_text("w")
    (tmp_path / "weights" / "config.json").write_text("{}")
    described = kitfile("{path: weights, parts: [{path: weights/config.json}]}")
    assert lay_out(tmp_path, described) == {"weights": "models"}
    assert described.model is not None
    assert [described.model.path, described.model.parts[0].path] == ["models", "models/config.json"]
    assert tree(tmp_path) == {"models/model.bin", "models/config.json"}


@pytest.mark.parametrize("text", ["{path: 'registry.example.com/base:1'}", "{name: none}"])
def test_without_a_model_of_its_own_there_is_nothing_to_lay_out(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no model to lay out"):
        lay_out(tmp_path, kitfile(text))


def test_what_is_in_the_way_is_a_conflict_and_nothing_moves(tmp_path: Path) -> None:
    for name in ("model.bin", "models/model.bin", "a/config.json", "b/config.json", "c/model.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    before = tree(tmp_path)
    for text in ("{path: model.bin}", "{path: c/model.bin, parts: [{path: a/config.json}, {path: b/config.json}]}"):
        with pytest.raises(ConflictError, match="something else is"):
            lay_out(tmp_path, kitfile(text))
    assert tree(tmp_path) == before


def test_where_a_file_cannot_be_moved_those_that_were_go_back(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("a")
    described = kitfile("{path: a.bin, parts: [{path: gone.json}]}")
    with pytest.raises(SourceError, match=r"gone\.json"):
        lay_out(tmp_path, described)
    assert tree(tmp_path) == {"a.bin"}
    assert described.model is not None
    assert described.model.path == "a.bin"


def test_a_kitfile_that_is_there_keeps_the_files_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    ok("init", tmp_path)
    assert kit("init", tmp_path, "--servable").code == 8
    assert tree(tmp_path) == {"Kitfile", "model.safetensors"}

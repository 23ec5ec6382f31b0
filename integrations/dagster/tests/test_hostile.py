"""Files that somebody made to do harm, or that are cut short, are refused with a sentence, and run nothing."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import onnx
import pytest
import skops.io
from trained import OBJECTS

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit
from dagster_kitops.serializers import save_object
from kitops_core.errors import InvalidInputError, SourceError


def written(value: Any) -> tuple[str, bytes]:
    """The suffix and the bytes of a good file."""
    with tempfile.TemporaryDirectory() as directory:
        saved = save_object(value, Path(directory))
        return saved.serializer.suffix, saved.path.read_bytes()


GOOD = {
    "skops": written(OBJECTS["linear"]()),
    "safetensors": written({"weights": np.eye(8)}),
    "onnx": written(OBJECTS["graph"]()),
    "lightgbm": written(OBJECTS["lightgbm"]()),
    "xgboost": written(OBJECTS["xgboost"]()),
    "parquet": written(OBJECTS["frame"]()),
    "json": written({"threshold": [0.5] * 30}),
}


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(data: bytes, suffix: str, format_: str = "", trusted: Sequence[str] = (), **options: Any) -> Any:
    """What a kit gives whose model is this file."""
    path = Path(f"model{suffix}")
    path.write_bytes(data)
    kitops.pack(kitops.Contents(model=path, format=format_), "other:1")
    return ModelKit(KitOpsResource(), "other:1").load(trusted=trusted, **options)


@pytest.mark.parametrize("format_", GOOD)
def test_a_file_that_is_whole_is_loaded(format_: str) -> None:
    suffix, data = GOOD[format_]
    assert loaded(data, suffix, format_) is not None


@pytest.mark.parametrize("format_", GOOD)
@pytest.mark.parametrize("harm", ["cut short", "noise", "nothing"])
def test_a_file_that_is_broken_is_a_sentence(format_: str, harm: str) -> None:
    suffix, data = GOOD[format_]
    broken = {"cut short": data[: len(data) * 2 // 3], "noise": b"\xff\xfe" * 64, "nothing": b""}[harm]
    if (format_, harm) == ("onnx", "nothing"):  # an empty protocol buffer is one whose fields are all unset
        assert loaded(broken, suffix, format_) == onnx.ModelProto()
        return
    if (format_, harm) == ("safetensors", "cut short"):  # its header says so, and it is not even packed
        with pytest.raises(SourceError, match=r"'model\.safetensors' has \d+ bytes, and its header asks for"):
            loaded(broken, suffix, format_)
        return
    with pytest.raises(InvalidInputError, match=rf"'model{suffix}' of other.*@sha256:"):
        loaded(broken, suffix, format_)


class Harm:
    """Leaves a file where its pickle is loaded."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harmed"),))


@pytest.mark.parametrize(("suffix", "format_"), [(".pickle", "pickle"), (".pkl", ""), (".skops", "skops")])
def test_a_pickle_runs_nothing_whatever_it_is_called(suffix: str, format_: str) -> None:
    with pytest.raises(InvalidInputError):
        loaded(pickle.dumps(Harm()), suffix, format_)
    assert not Path("harmed").exists()


def test_a_pickle_is_loaded_where_the_caller_asks_for_it() -> None:
    loaded(pickle.dumps(Harm()), ".pickle", "pickle", allow_pickle=True)
    assert Path("harmed").exists()


def test_arrays_of_pickles_run_nothing() -> None:
    held = io.BytesIO()
    np.save(held, np.array([Harm()], dtype=object), allow_pickle=True)
    with ZipFile(io.BytesIO(skops.io.dumps(np.zeros(2)))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    altered = io.BytesIO()
    with ZipFile(altered, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, held.getvalue() if name.endswith(".npy") else content)
    with pytest.raises(InvalidInputError):
        loaded(altered.getvalue(), ".skops", "skops")
    assert not Path("harmed").exists()


def skops_of(schema: dict[str, Any]) -> bytes:
    """A skops file with this schema, as a hostile hand writes it."""
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, "_skops_version": "0.13", **schema}))
    return out.getvalue()


def text(value: str) -> dict[str, Any]:
    node = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "__id__": 3}
    return {**node, "content": json.dumps(value), "is_json": True}


def operator_of(module: str, name: str, argument: str) -> dict[str, Any]:
    arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "__id__": 2}
    node = {"__class__": name, "__module__": module, "__loader__": "OperatorFuncNode", "__id__": 1}
    return {**node, "attrs": {**arguments, "content": [text(argument)]}}


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        (
            {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1, "content": {}},
            r"not trusted: os\.system",
        ),
        (
            {
                "__class__": "Popen",
                "__module__": "subprocess",
                "__loader__": "ObjectNode",
                "__id__": 1,
                "content": None,
            },
            r"not trusted: subprocess\.Popen",
        ),
        (operator_of("operator", "methodcaller", "touch harmed"), r"not trusted: operator\.methodcaller"),
        (operator_of("os", "system", "touch harmed"), "got os"),
    ],
    ids=["function", "object", "operator", "false operator"],
)
def test_a_skops_file_that_names_code_is_refused(schema: dict[str, Any], refused: str) -> None:
    with pytest.raises(InvalidInputError, match=refused):
        loaded(skops_of(schema), ".skops", "skops")
    assert not Path("harmed").exists()


def test_a_skops_file_that_is_a_bomb_is_not_opened() -> None:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 50_000_000)
    with pytest.raises(InvalidInputError, match="bomb"):
        loaded(out.getvalue(), ".skops", "skops")


def test_a_text_among_the_data_sets_is_taken_for_no_booster() -> None:
    with pytest.raises(InvalidInputError, match=r"has the format '\.txt', which is not loaded"):
        loaded(b"tree\nend of trees\n", ".txt")


def test_what_an_onnx_model_names_outside_of_its_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0\0\x80?")
    model = OBJECTS["graph"]()
    outside = model.graph.initializer.add(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value=str(tmp_path / "secret"))
    (again,) = loaded(model.SerializeToString(), ".onnx", "onnx").graph.initializer
    assert not again.raw_data


def test_nesting_without_end_is_a_sentence() -> None:
    with pytest.raises(InvalidInputError, match=r"model\.json"):
        loaded(b"[" * 100_000, ".json")

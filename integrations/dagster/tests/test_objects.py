"""Objects go into a kit in a safe format and come out of it as what the input's annotation says."""

# Annotations are values here: an input's type is a parameter of a test.

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import dagster as dg
import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from runs import data_version, metadata, run
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

import kitops_core as kitops
from dagster_kitops import ModelKitContents, ModelKitRef, Serializer, register_serializer
from dagster_kitops.serializers import json_data, registry
from dagster_kitops.serializers import onnx as onnx_serializer
from kitops_core.errors import InvalidInputError, NotFoundError

X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
FRAME = pd.DataFrame({"age": [31, 42], "churned": [True, False]})
ARRAYS = {"bias": np.zeros(2, np.float32), "weights": np.eye(2)}


def graph() -> onnx.ModelProto:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", tensors[:1], tensors[1:])
    return helper.make_model(made)


def through(value: Any, annotation: Any, instance: dg.DagsterInstance, *, ins: Any = None, **options: Any) -> Any:
    """What an asset downstream is given when an asset returns ``value``."""

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return value

    @dg.asset(ins=ins)
    def use(churn: annotation):  # type: ignore[valid-type]
        return churn

    return run([churn, use], instance, **options).output_for_node("use")


@pytest.mark.parametrize(
    ("value", "annotation", "path", "format_"),
    [
        (ARRAYS, dict[str, np.ndarray], "model.safetensors", "safetensors"),
        (graph(), onnx.ModelProto, "model.onnx", "onnx"),
        (FRAME, pd.DataFrame, "data.parquet", ""),
        ({"threshold": 0.5, "labels": ["no", "yes"]}, dict, "data.json", ""),
        ([1, 2, 3], list, "data.json", ""),
        (b"weights", bytes, "model.bin", ""),
    ],
    ids=["arrays", "onnx", "data frame", "mapping", "list", "bytes"],
)
def test_an_object_comes_out_as_it_went_in(
    value: Any, annotation: Any, path: str, format_: str, instance: dg.DagsterInstance
) -> None:
    loaded = through(value, annotation, instance)
    assert type(loaded) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded, value)
    elif value is ARRAYS:
        assert {name: array.tolist() for name, array in loaded.items()} == {"bias": [0, 0], "weights": [[1, 0], [0, 1]]}
        assert loaded["bias"].dtype == np.float32
    else:
        assert loaded == value
    with kitops.open("churn:latest") as kit:
        assert kit.layers[0].entry.path == path
        assert (kit.kitfile.model.format if kit.kitfile.model else "") == format_
    before = data_version(instance, "churn")
    through(value, annotation, instance)
    assert data_version(instance, "churn") == before


def test_an_estimator_comes_out_as_it_went_in(instance: dg.DagsterInstance) -> None:
    model = LogisticRegression().fit(X, Y)
    assert (through(model, LogisticRegression, instance).predict(X) == model.predict(X)).all()


class Above(BaseEstimator):
    """An estimator that skops cannot know."""

    def __init__(self, limit: float = 1.0) -> None:
        self.limit = limit


def test_types_are_trusted_by_the_input_or_by_the_io_manager(instance: dg.DagsterInstance) -> None:
    with pytest.raises(InvalidInputError, match=r"input 'churn' .* not trusted: test_objects\.Above"):
        through(Above(3.0), Above, instance)
    trusted = ["test_objects.Above"]
    ins = {"churn": dg.AssetIn(metadata={"kitops/trusted": trusted})}
    assert through(Above(3.0), Above, instance, ins=ins).limit == 3.0
    assert through(Above(3.0), Above, instance, trusted=trusted).limit == 3.0


def test_an_object_of_another_type_than_the_annotation_is_refused_by_dagster(instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.DagsterTypeCheckDidNotPass):
        through([1, 2], pd.DataFrame, instance)


def test_objects_are_data_sets_by_name_too(instance: dg.DagsterInstance) -> None:
    contents = ModelKitContents(model=b"weights", datasets={"eval": FRAME, "split": {"seed": 7}})
    ins = {"churn": dg.AssetIn(metadata={"kitops/only": ["datasets:eval"]})}
    pd.testing.assert_frame_equal(through(contents, pd.DataFrame, instance, ins=ins), FRAME)
    with kitops.open("churn:latest") as kit:
        assert [(entry.name, entry.path) for entry in kit.kitfile.datasets] == [
            ("eval", "eval.parquet"),
            ("split", "split.json"),
        ]


def test_several_objects_for_one_are_refused(instance: dg.DagsterInstance) -> None:
    contents = ModelKitContents(datasets={"eval": FRAME, "split": {"seed": 7}})
    with pytest.raises(InvalidInputError, match=r"has eval\.parquet, split\.json, and one is to be loaded"):
        through(contents, pd.DataFrame, instance)


def test_a_part_that_is_not_there_is_named(instance: dg.DagsterInstance) -> None:
    ins = {"churn": dg.AssetIn(metadata={"kitops/only": "datasets:eval"})}
    with pytest.raises(NotFoundError, match="has no datasets:eval"):
        through(b"weights", bytes, instance, ins=ins)


def test_entries_come_as_files_by_name(instance: dg.DagsterInstance) -> None:
    contents = ModelKitContents(model=b"weights", datasets={"eval": FRAME}, docs={"README.md": b"# Churn\n"})
    files = through(contents, dict[str, Path], instance)
    assert sorted(files) == ["README.md", "eval", "model.bin"]
    assert files["model.bin"].read_bytes() == b"weights"
    assert files["eval"].name == "eval.parquet"


def test_one_part_is_all_that_is_read(instance: dg.DagsterInstance, home: Path) -> None:
    contents = ModelKitContents(model=b"large" * 1000, docs={"README.md": b"# Churn\n"})
    ins = {"churn": dg.AssetIn(metadata={"kitops/only": "docs"})}
    directory = through(contents, Path, instance, ins=ins)
    assert [path.name for path in directory.iterdir()] == ["README.md"]
    assert through(contents, bytes, instance, ins=ins) == b"# Churn\n"
    assert sorted(through(contents, dict[str, Path], instance, ins=ins)) == ["README.md"]
    assert sorted(path.name for path in through(contents, Path, instance).iterdir()) == [
        "Kitfile",
        "README.md",
        "model.bin",
    ]


def test_a_reference_is_pinned_and_nothing_is_read(instance: dg.DagsterInstance) -> None:
    ref = through(b"weights", ModelKitRef, instance)
    assert ref == ModelKitRef("churn@" + data_version(instance, "churn"))


def test_a_kit_that_is_not_there_is_none_where_that_is_allowed(instance: dg.DagsterInstance) -> None:
    spec = dg.AssetSpec("churn").with_io_manager_key("modelkit")

    @dg.asset
    def use(churn: Optional[Path]) -> str:  # noqa: UP045
        return "none" if churn is None else churn.name

    @dg.asset
    def use_bytes(churn: bytes | None) -> bytes:
        return b"none" if churn is None else churn

    result = run([spec, use, use_bytes], instance)
    assert (result.output_for_node("use"), result.output_for_node("use_bytes")) == ("none", b"none")
    kitops.pack(_contents(), "churn:latest")
    assert run([spec, use_bytes], instance).output_for_node("use_bytes") == b"w"


def _contents() -> kitops.Contents:
    Path("w.bin").write_bytes(b"w")
    return kitops.Contents(model="w.bin")


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Rules:
    """A model of no framework that has a format."""

    def __init__(self, text: str) -> None:
        self.text = text


@pytest.fixture
def rules_serializer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_SERIALIZERS", dict(registry._SERIALIZERS))
    register_serializer(
        Serializer(
            name="rules",
            takes=lambda value: isinstance(value, Rules),
            save=lambda rules, file: file.write_text(rules.text),
            load=lambda file, trusted: Rules(file.read_text()),
            suffix=".rules",
        )
    )


@pytest.mark.usefixtures("rules_serializer")
def test_a_serializer_of_ones_own(instance: dg.DagsterInstance) -> None:
    assert through(Rules("a -> b"), Rules, instance).text == "a -> b"
    with kitops.open("churn:latest") as kit:
        assert kit.kitfile.model is not None
        assert (kit.kitfile.model.format, kit.kitfile.model.path) == ("rules", "model.rules")


@pytest.mark.parametrize("name", ["auto", "pickle"])
def test_names_with_a_meaning_are_not_for_serializers(name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        register_serializer(Serializer(name, lambda _: True, lambda _, file: file, lambda file, _: file, ".x"))


@pytest.mark.usefixtures("rules_serializer")
def test_a_serializer_that_writes_nothing_is_named(instance: dg.DagsterInstance) -> None:
    register_serializer(replace(registry._SERIALIZERS["rules"], save=lambda rules, file: rules.text.encode()))
    with pytest.raises(InvalidInputError, match="'rules' wrote no file"):
        through(Rules("a -> b"), Rules, instance)


def test_a_serializer_is_named_by_the_run(instance: dg.DagsterInstance) -> None:
    output = dg.Output(ModelKitContents(model={"a": 1}), metadata={"kitops/serializer": "json"})
    assert through(output, dict, instance) == {"a": 1}
    with pytest.raises(InvalidInputError, match="no serializer 'yaml'"):
        through(dg.Output(FRAME, metadata={"kitops/serializer": "yaml"}), dict, instance)


@pytest.mark.parametrize("name", ["parquet", "json", "onnx", "safetensors", "skops"])
def test_a_serializer_that_does_not_fit_the_object_says_so(name: str, instance: dg.DagsterInstance) -> None:
    output = dg.Output(ModelKitContents(model={object(): 1}), metadata={"kitops/serializer": name})
    with pytest.raises(InvalidInputError) as caught:
        through(output, dict, instance)
    assert name in caught.value.message
    assert caught.value.hint


def test_metadata_says_nothing_of_an_object_itself(instance: dg.DagsterInstance) -> None:
    through({"secret": "s3cret"}, dict, instance)
    assert "s3cret" not in str(metadata(instance, "churn"))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, max_size=4) | st.lists(plain, max_size=4))
def test_all_that_json_takes_comes_back_as_it_was(value: Any) -> None:
    assert json_data.takes(value)
    with tempfile.TemporaryDirectory() as directory:
        json_data.save(value, Path(directory, "data.json"))
        assert json_data.load(Path(directory, "data.json"), ()) == value


@pytest.mark.parametrize("value", [{1: 2}, {"a": (1,)}, [float("nan")], {"a": {1, 2}}, "text", 3, None])
def test_what_json_would_change_it_does_not_take(value: Any) -> None:
    assert not json_data.takes(value)


@pytest.mark.parametrize("name", ["in Fortran's order", "transposed", "every other"])
def test_arrays_come_out_as_they_went_in_however_they_lie_in_memory(name: str, instance: dg.DagsterInstance) -> None:
    numbers = np.arange(12.0).reshape(3, 4)
    array = {"in Fortran's order": np.asfortranarray(numbers), "transposed": numbers.T, "every other": numbers[:, ::2]}
    loaded = through({"a": array[name]}, dict[str, np.ndarray], instance)
    assert np.array_equal(loaded["a"], array[name])


@pytest.mark.parametrize("within", [False, True], ids=["in the graph", "in a branch of a node"])
def test_an_onnx_model_whose_weights_are_in_another_file_is_refused(within: bool, tmp_path: Path) -> None:
    """As ``onnx.save`` with external data leaves it, also for weights that only one branch has."""
    weights = onnx.numpy_helper.from_array(np.ones(600, np.float32), "w")
    inner = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "inner", [], [], [weights])
    inner.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [600]))
    model = graph()
    if within:
        node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)
    else:
        model.graph.initializer.append(weights)
    onnx_serializer.save(model, tmp_path / "whole.onnx")
    onnx.external_data_helper.convert_model_to_external_data(model, location="m.data", size_threshold=0)
    onnx.save(model, str(tmp_path / "parts.onnx"))  # which writes the weights, and leaves the model without them
    with pytest.raises(InvalidInputError, match="'w' of this ONNX model is in another file"):
        onnx_serializer.save(model, tmp_path / "again.onnx")

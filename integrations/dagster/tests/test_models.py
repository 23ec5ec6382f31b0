"""A model object is written without pickle, byte for byte the same each time, and read without running its code."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from runs import data_version, run
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from trained import FEATURES, LABELS, MODELS, OBJECTS, TEXTS, digests, texts

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager
from dagster_kitops.serializers import load_object, save_object, serializer_of
from kitops_core.errors import InvalidInputError


def test_the_same_training_in_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        f"import json, sys, pathlib; sys.path.insert(0, {str(Path(__file__).parent)!r}); import trained;"
        f"print(json.dumps(trained.digests(pathlib.Path({str(tmp_path)!r}))))"
    )
    here = digests(tmp_path)
    assert len(set(here.values())) == len(OBJECTS)
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert json.loads(done.stdout) == here


@pytest.mark.parametrize(("name", "trusted"), [("linear", ()), ("forest", ("sklearn.tree._tree.Tree",))])
def test_a_model_that_was_read_again_predicts_the_same(name: str, trusted: tuple[str, ...], tmp_path: Path) -> None:
    model = MODELS[name]()
    saved = save_object(model, tmp_path)
    assert (saved.serializer.name, saved.serializer.framework) == ("skops", "scikit-learn")
    again = load_object(saved.serializer, saved.path, path="model.skops", where="a kit", trusted=trusted)
    assert (again.predict(FEATURES) == model.predict(FEATURES)).all()


def test_a_model_that_was_read_again_vectorizes_texts_the_same(tmp_path: Path) -> None:
    model = texts()
    saved = save_object(model, tmp_path)
    frozensets = ("builtins.frozenset",)
    again = load_object(saved.serializer, saved.path, path="model.skops", where="a kit", trusted=frozensets)
    assert (again.predict(TEXTS) == model.predict(TEXTS)).all()
    assert again.more_stop_words == model.more_stop_words


def test_an_object_that_two_attributes_share_is_shared_again(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=2000).fit(FEATURES, LABELS > 0)
    model.also_coef_ = model.coef_
    saved = save_object(model, tmp_path)
    again = load_object(saved.serializer, saved.path, path="model.skops", where="a kit")
    assert again.also_coef_ is again.coef_


def test_the_types_that_loading_takes_are_said_when_it_is_packed_and_are_in_the_kit(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=MODELS["forest"](), parameters={"trees": 5})

    @dg.asset
    def use(churn: ModelKit) -> int:
        assert churn.trusted_types == ("sklearn.tree._tree.Tree",)
        with pytest.raises(InvalidInputError, match="not trusted"):
            churn.load()
        return len(churn.load(trusted=churn.trusted_types).estimators_)

    manager = ModelKitIOManager(kitops=KitOpsResource())
    resources = {"modelkit": manager, "io_manager": dg.mem_io_manager}
    result = dg.materialize([churn, use], instance=instance, resources=resources)
    assert result.output_for_node("use") == 5
    assert "has to trust sklearn.tree._tree.Tree: name them" in capfd.readouterr().err
    with kitops.open("churn:latest") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.parameters == {"trees": 5, "trusted_types": ["sklearn.tree._tree.Tree"]}


def test_a_model_of_the_usual_types_asks_for_no_trust(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return LogisticRegression(max_iter=50).fit(FEATURES / FEATURES.max(axis=0), LABELS)

    @dg.asset
    def use(churn: ModelKit) -> tuple:
        return churn.trusted_types

    assert run([churn, use], instance).output_for_node("use") == ()


def test_a_parameter_of_that_name_that_says_otherwise_is_refused(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=MODELS["forest"](), parameters={"trusted_types": 3})

    with pytest.raises(InvalidInputError, match="parameters holds 'trusted_types'"):
        run([churn], instance)


class Unknown(BaseEstimator):
    """An estimator that skops cannot know."""


def test_types_that_are_not_trusted_are_named_and_not_made(tmp_path: Path) -> None:
    saved = save_object(Unknown(), tmp_path)
    with pytest.raises(InvalidInputError, match=r"not trusted: test_models\.Unknown"):
        load_object(saved.serializer, saved.path, path="model.skops", where="a kit")


class Opaque:
    """A model of no framework."""

    answer = 42


def test_an_object_without_a_safe_format_is_pickled_only_where_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no safe format for an object of type test_models\.Opaque"):
        save_object(Opaque(), tmp_path)
    saved = save_object(Opaque(), tmp_path, allow_pickle=True)
    assert saved.serializer.name == "pickle"
    assert isinstance(pickle.loads(saved.path.read_bytes()), Opaque)


def test_an_estimator_is_not_pickled_even_where_that_is_allowed(tmp_path: Path) -> None:
    assert save_object(LogisticRegression(), tmp_path, allow_pickle=True).serializer.name == "skops"


def test_a_pickle_is_loaded_only_where_that_is_allowed(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=Opaque())

    @dg.asset
    def use(churn: ModelKit) -> int:
        with pytest.raises(InvalidInputError, match="runs whatever code"):
            churn.load()
        return int(churn.load(allow_pickle=True).answer)

    assert run([churn, use], instance, allow_pickle=True).output_for_node("use") == 42


def test_what_skops_cannot_write_is_refused_with_a_sentence(tmp_path: Path) -> None:
    class Broken(BaseEstimator):
        def __init__(self) -> None:
            self.batches = (batch for batch in ())

    with pytest.raises(InvalidInputError, match="skops cannot write this"):
        save_object(Broken(), tmp_path)


def test_a_model_in_another_format_is_not_guessed_at() -> None:
    with pytest.raises(InvalidInputError, match="format 'gguf'"):
        serializer_of("gguf", "model.gguf", where="a kit")


def test_an_asset_may_return_the_fitted_estimator_itself(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn() -> LogisticRegression:
        return LogisticRegression(max_iter=50).fit(FEATURES / FEATURES.max(axis=0), LABELS)

    @dg.asset
    def use(churn: ModelKit) -> str:
        assert churn.kitfile.model is not None
        assert churn.kitfile.model.framework == "scikit-learn"
        return type(churn.load()).__name__

    assert run([churn, use], instance).output_for_node("use") == "LogisticRegression"
    before = data_version(instance, "churn")
    run([churn], instance)
    assert data_version(instance, "churn") == before


def test_get_params_of_any_estimator_can_be_parameters(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=np.float64(0.5), tol=float("inf")))
        return ModelKitContents(docs={"README.md": b""}, model=model, parameters=model.get_params())

    @dg.asset
    def use(churn: ModelKit) -> dict:
        assert churn.kitfile.model is not None
        return churn.kitfile.model.parameters

    parameters = run([churn, use], instance).output_for_node("use")
    assert parameters["logisticregression__C"] == 0.5
    assert parameters["logisticregression__tol"] == "inf"
    assert parameters["standardscaler"] == "StandardScaler"


def test_an_estimator_that_loads_back_nowhere_is_refused_when_it_is_packed(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda features: features), LogisticRegression())
    with pytest.raises(InvalidInputError, match="<lambda>, which nobody can load again"):
        save_object(model, tmp_path)


@pytest.mark.parametrize(
    ("value", "message", "way"),
    [
        ({"weights": {1, 2}, "bias": 1.0}, r"builtins.dict, because of \['weights'\]: a builtins.set", "Serializer"),
        ({"a": [1, {"b": (1,)}]}, r"because of \['a'\]\[1\]\['b'\]: a builtins.tuple", "Serializer"),
        ({"a": np.ones(2), "b": 1 + 2j}, r"because of \['b'\]: a builtins.complex", "Serializer"),
        ({"loss": float("nan")}, r"because of \['loss'\]: a builtins.float", "Serializer"),
        ({1: "a"}, r"because of \[1\]: a builtins.int", "Serializer"),
        ([np.ones(2)], r"builtins.list, because of \[0\]: a numpy.ndarray", "arrays by name"),
        (np.ma.MaskedArray([1.0], [True]), "of type numpy.ma", "'mask': array.mask"),
        ({"a": np.ma.MaskedArray([1.0], [True])}, r"because of \['a'\]: a numpy.ma", "'mask': array.mask"),
        (pl.LazyFrame({"a": [1]}), r"of type polars\..*LazyFrame", "collect"),
    ],
    ids=lambda value: "",
)
def test_what_has_no_safe_format_is_named_with_a_way_that_works(
    tmp_path: Path, value: object, message: str, way: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        save_object(value, tmp_path)
    assert way in caught.value.hint

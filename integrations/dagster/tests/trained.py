"""Models that are trained anew each time, for processes that need no Dagster."""

from __future__ import annotations

import hashlib
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import pandas as pd
import polars as pl
import xgboost
from onnx import helper
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dagster_kitops.serializers import save_object

FEATURES, LABELS = load_wine(return_X_y=True)
TEXTS = ["red wine", "white wine", "a beer and the wine"]


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0).fit(FEATURES, np.array(["a", "b", "c"], dtype=object)[LABELS])


def texts() -> object:
    model = make_pipeline(TfidfVectorizer(stop_words="english"), LogisticRegression()).fit(TEXTS, [0, 1, 2])
    model.more_stop_words = frozenset(["the", "a", "of", "and"])  # a set is written in the order of its hashes
    return model


def arrays() -> dict[str, np.ndarray]:
    return {name: np.arange(3.0) for name in {"weights", "bias", "scale", "shift"}}  # in the order of their hashes


def frame() -> pd.DataFrame:
    return pd.DataFrame({"region": ["eu", "us"], "rate": [0.5, 0.25]})


def array() -> np.ndarray:
    return np.arange(6.0).reshape(2, 3)


def series() -> pd.Series:
    return pd.Series([0.5, 0.25], index=["eu", "us"], name="rate")


def polars_frame() -> pl.DataFrame:
    return pl.DataFrame({"region": ["eu", "us"], "rate": [0.5, None]})


def graph() -> onnx.ModelProto:
    of = {name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"}
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [of["x"]], [of["y"]])
    model = helper.make_model(made)
    helper.set_model_props(model, {"weights": "relu", "by": "tests"})
    return model


def light_booster() -> lightgbm.Booster:
    """One that stopped early, at fewer trees than it has."""
    data = lightgbm.Dataset(FEATURES, LABELS)
    options = {"objective": "multiclass", "num_class": 3, "num_threads": 1, "verbosity": -1, "seed": 0}
    model = lightgbm.train({**options, "bagging_fraction": 0.7, "bagging_freq": 1}, data, 8)
    model.best_iteration = 5
    return model


def extreme_booster() -> xgboost.Booster:
    options = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "seed": 0, "subsample": 0.7}
    model = xgboost.train({**options, "max_depth": 2}, xgboost.DMatrix(FEATURES, LABELS), 5)
    model.set_attr(**{name: name for name in {"weights", "bias", "scale", "shift"}})
    return model


def figures() -> dict[str, object]:
    return {name: len(name) for name in {"weights", "bias", "scale", "shift"}}


MODELS = {
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(FEATURES, LABELS),
    "forest": forest,
    "texts": texts,
}
OBJECTS = {
    **MODELS,
    "arrays": arrays,
    "array": array,
    "frame": frame,
    "series": series,
    "polars_frame": polars_frame,
    "graph": graph,
    "lightgbm": light_booster,
    "xgboost": extreme_booster,
    "figures": figures,
}


def digests(directory: Path) -> dict[str, str]:
    """Train and save every model."""
    return {
        name: hashlib.sha256(save_object(train(), directory).path.read_bytes()).hexdigest()
        for name, train in OBJECTS.items()
    }

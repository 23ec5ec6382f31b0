"""Boosters of gradient boosting libraries are packed in their own formats, and predict the same."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import lightgbm
import numpy as np
import pytest
import xgboost
from runs import run
from trained import FEATURES, LABELS, extreme_booster, light_booster

import kitops_core as kitops
from dagster_kitops import ModelKitContents
from dagster_kitops.serializers import save_object
from kitops_core.errors import InvalidInputError


def test_a_lightgbm_booster_goes_through_a_kit(instance: dg.DagsterInstance) -> None:
    made = light_booster()

    @dg.asset(io_manager_key="modelkit")
    def boosted():
        return ModelKitContents(model=made, metrics={"accuracy": 0.9})

    @dg.asset
    def used(boosted: lightgbm.Booster):
        return boosted

    again = run([boosted, used], instance).output_for_node("used")
    assert (again.predict(FEATURES) == made.predict(FEATURES)).all()
    assert again.num_trees() == 5 * 3 < made.num_trees()
    with kitops.open("boosted:latest") as kit:
        assert kit.kitfile.model is not None
        model = kit.kitfile.model
        assert (model.framework, model.format, model.path) == ("lightgbm", "lightgbm", "model.lightgbm.txt")


def test_an_xgboost_booster_goes_through_a_kit(instance: dg.DagsterInstance) -> None:
    made = extreme_booster()

    @dg.asset(io_manager_key="modelkit")
    def boosted():
        return made

    @dg.asset
    def used(boosted: xgboost.Booster):
        return boosted

    again = run([boosted, used], instance).output_for_node("used")
    data = xgboost.DMatrix(FEATURES)
    assert np.array_equal(again.predict(data), made.predict(data))
    assert again.attributes() == made.attributes() != {}
    with kitops.open("boosted:latest") as kit:
        assert kit.kitfile.model is not None
        assert (kit.kitfile.model.format, kit.kitfile.model.path) == ("xgboost", "model.ubj")


@pytest.mark.parametrize(
    ("estimator", "way"),
    [
        (lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, n_jobs=1), "model.booster_"),
        (xgboost.XGBClassifier(n_estimators=2, n_jobs=1), "model.get_booster()"),
    ],
    ids=["lightgbm", "xgboost"],
)
def test_of_an_estimator_the_error_names_its_booster(estimator: object, way: str, tmp_path: Path) -> None:
    model = estimator.fit(FEATURES, LABELS)  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match="no safe format for an object of type") as caught:
        save_object(model, tmp_path)
    assert way in caught.value.hint
    assert save_object(eval(way), tmp_path).path.is_file()


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_another_object_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} takes an? {name}.Booster"):
        save_object({"a": 1}, tmp_path, serializer=name)

"""What metadata says is checked when definitions are loaded, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from dagster_kitops import (
    ModelKit,
    ModelKitContents,
    check_definitions,
    digest_check,
    external_modelkit,
    imported_modelkit,
    modelkit_index_asset,
    promotion_asset,
    signing_job,
)
from kitops_core.errors import InvalidInputError


def churn(**metadata: Any) -> dg.AssetsDefinition:
    @dg.asset(name="churn", io_manager_key="modelkit", metadata=metadata)
    def asset():
        return ModelKitContents(model=b"weights")

    return asset


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"kitops/repositry": "risk/churn"}, "'kitops/repositry' means nothing here .did you mean 'kitops/repository'"),
        ({"kitops/tags": ["1.4 beta"]}, "1.4 beta"),
        ({"kitops/repository": "Risk/Churn"}, "Risk/Churn"),
        ({"kitops/repository": "risk/churn:1.4"}, "more than a repository"),
        ({"kitops/parents": ["not a reference"]}, "not a reference"),
        ({"kitops/serializer": "skop"}, "there is no serializer 'skop' .did you mean 'skops'"),
        ({"kitops/metric/accuracy": "good"}, "'good', not a number"),
    ],
)
def test_an_asset_that_says_what_means_nothing_is_named(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"asset 'churn': .*{message}"):
        check_definitions(dg.Definitions([churn(**metadata)]))


def test_all_that_is_wrong_is_said_at_once() -> None:
    @dg.asset(ins={"churn": dg.AssetIn(metadata={"kitops/onyl": "model"})})
    def use(churn: ModelKit) -> None: ...

    with pytest.raises(InvalidInputError) as caught:
        check_definitions(dg.Definitions([churn(**{"kitops/tags": ["a b"]}), use]))
    assert "asset 'churn'" in caught.value.message
    assert "input 'churn' (churn) of 'use': metadata 'kitops/onyl'" in caught.value.message
    assert "did you mean 'kitops/only'" in caught.value.message


def test_a_kit_that_something_else_packs_is_looked_at_too() -> None:
    base = dg.AssetSpec("base", metadata={"kitops/referense": "registry.example.com/vendor/llm:prod"})
    with pytest.raises(InvalidInputError, match="asset 'base': metadata 'kitops/referense' means nothing here"):
        check_definitions(dg.Definitions([base]))


WRONG: dict[str, Any] = {"metadata": {"kitops/repositry": "risk/churn"}}


@pytest.mark.parametrize(
    "make",
    [
        lambda: external_modelkit("base", "registry.example.com/vendor/llm:prod", **WRONG),
        lambda: imported_modelkit("smol", "acme/smol", **WRONG),
        lambda: promotion_asset("churn", "prod", **WRONG),
        lambda: modelkit_index_asset("llm", {}, **WRONG),
        lambda: digest_check(churn(**WRONG["metadata"])),
        lambda: promotion_asset(churn(**WRONG["metadata"]), "prod"),
        lambda: signing_job(churn(**WRONG["metadata"])),
    ],
    ids=["external", "imported", "channel", "index", "check of it", "channel of it", "job for it"],
)
def test_what_makes_an_asset_or_is_given_one_looks_at_it_by_itself(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInputError, match="'kitops/repositry' means nothing here"):
        make()


def test_what_is_right_passes_as_it_is() -> None:
    base = external_modelkit("base", "registry.example.com/vendor/llm:prod")
    right = {"kitops/repository": "risk/churn", "kitops/tags": ["1.4"], "kitops/metric/loss": 0.1, "team": "risk"}
    defs = dg.Definitions([churn(**right), base])
    assert check_definitions(defs) is defs

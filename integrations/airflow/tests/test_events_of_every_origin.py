"""Events that operators, watchers, other programs and people made, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

import kitops_core as kitops
from kitops_airflow import ModelKitEvent, modelkit_asset

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
CHURN = modelkit_asset("r.example.com/ml/churn")

BY_TASK = {"digest": DIGEST, "registry": "r.example.com", "repository": "ml/churn", "tag": "dev"}
BY_WATCHER = {"from_trigger": True, "payload": {**BY_TASK, "digest": OTHER}}
OVER_REST = {"digest": DIGEST, "from_rest_api": True}
BY_HAND: list[Any] = [
    {},
    None,
    {"from_rest_api": True},
    {"digest": "latest"},
    {"from_trigger": True, "payload": "moved"},
]


class Events:
    """Events by asset, as Airflow gives them; in 3.1 an asset cannot be the key of a dictionary."""

    def __init__(self, found: dict[str, tuple[Any, Any]]) -> None:
        self._found = found

    def __getitem__(self, asset: Any) -> Any:
        return self._found[getattr(asset, "uri", asset)][1]

    def __iter__(self) -> Iterator[Any]:
        return (asset for asset, _ in self._found.values())


def context(*extras: Any, asset: Asset = CHURN, inlet: Any = ()) -> dict[str, Any]:
    started = [SimpleNamespace(extra=extra) for extra in extras]
    events = (
        {"triggering_asset_events": Events({asset.uri: (asset, started)})}
        if AIRFLOW_V_3_0_PLUS
        else {"triggering_dataset_events": {asset.uri: started}}
    )
    return {**events, "inlet_events": Events({asset.uri: (asset, [SimpleNamespace(extra=extra) for extra in inlet])})}


@pytest.mark.parametrize(("extra", "origin"), [(BY_TASK, "task"), (BY_WATCHER, "watcher"), (OVER_REST, "rest")])
@pytest.mark.parametrize("by_hand", BY_HAND)
def test_an_event_without_a_digest_is_passed_over_for_the_newest_that_has_one(
    extra: dict[str, Any], origin: str, by_hand: Any, said: Callable[[], str]
) -> None:
    kit = ModelKitEvent.latest(context(extra, by_hand), CHURN)
    assert kit is not None
    assert kit.origin == origin
    assert f"an event of {CHURN.uri} is passed over" in said()


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_a_run_that_such_an_event_started_takes_the_kit_of_the_newest_event_of_all(by_hand: Any) -> None:
    kit = ModelKitEvent.latest(context(by_hand, inlet=[BY_TASK, OVER_REST, by_hand]), CHURN)
    assert kit is not None
    assert kit.origin == "rest"
    assert ModelKitEvent.latest(context(by_hand), CHURN) is None


def test_or_the_kit_that_the_tag_has_now_where_the_asset_is_that_of_a_tag(registry: str, model: Any) -> None:
    digest = kitops.pack(model, f"{registry}/by-hand/churn:prod", push=True).digest
    prod = modelkit_asset(f"{registry}/by-hand/churn", tag="prod")
    older = {**BY_TASK, "registry": registry, "repository": "by-hand/churn", "digest": OTHER}
    kit = ModelKitEvent.latest(context({}, asset=prod, inlet=[older]), prod)
    assert kit is not None
    assert (kit.digest, kit.origin) == (digest, "now")
    gone = modelkit_asset(f"{registry}/by-hand/churn", tag="gone")
    assert ModelKitEvent.latest(context({}, asset=gone), gone) is None


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 lists events by their URI only")
def test_an_event_that_came_through_an_alias_is_listed_once() -> None:
    event = SimpleNamespace(extra=BY_TASK, timestamp=1)
    again = SimpleNamespace(extra=BY_TASK, timestamp=2)
    alias = AssetAlias("nightly")
    events = Events({CHURN.uri: (CHURN, [event, again]), "nightly": (alias, [event, again])})
    assert [kit.digest for kit in ModelKitEvent.triggering({"triggering_asset_events": events})] == [DIGEST, DIGEST]

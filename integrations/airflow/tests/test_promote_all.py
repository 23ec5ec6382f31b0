"""One job promotes all kits of a policy, announces what moved and nothing else, and then says what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AssetAlias
from dag_runs import dag, events, result, run, states

import kitops_core as kitops
from kitops_airflow import KitPromoteAllOperator, KitPromoteOperator, modelkit_asset, promote_all

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def kits(registry: str, model: Path) -> Callable[[str], list[str]]:
    """Three kits in their channel ``dev``, of which the second has no licence; gives their repositories."""

    def make(space: str) -> list[str]:
        names = [f"{registry}/{space}/kit-{number}" for number in range(3)]
        for number, name in enumerate(names):
            source = kitops.Contents(name="churn", model=model / "model.onnx", license="" if number == 1 else "MIT")
            kitops.pack(source, f"{name}:dev", push=True)
        return names

    return make


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[list[str]], str]:
    def write(kits: list[str]) -> str:
        gate = {"license": {"allow": ["MIT"]}}
        channels = {"dev": {}, "staging": {"from": "dev", "gates": [gate]}, "prod": {"from": "staging"}}
        (tmp_path / "promotion.yaml").write_text(json.dumps({"kits": kits, "channels": channels}))
        return str(tmp_path / "promotion.yaml")

    return write


def announced(kit: str, channel: str) -> int:
    return len(events(modelkit_asset(kit, tag=channel).uri))


def test_what_is_refused_holds_up_nothing_else_what_moved_is_announced_once_and_then_the_run_fails_with_a_list(
    kits: Callable[[str], list[str]], policy: Callable[[list[str]], str], said: Callable[[], str]
) -> None:
    names = kits("all")
    with dag("all_kits") as made:
        promote_all(policy=policy(names))
    for moved in (4, 0):
        dag_run = run(made)
        assert states(dag_run) == {"promote_all.promote": "success", "promote_all.check": "failed"}
        found = result(dag_run, "promote_all.promote")
        assert found["counts"].get("promoted", 0) == moved == len(found["promoted"])
        json.dumps(found)
    assert [announced(kit, channel) for kit in names for channel in ("staging", "prod")] == [1, 1, 0, 0, 1, 1]
    assert [announced(kit, "dev") for kit in names] == [0, 0, 0]
    (event,) = events(modelkit_asset(names[0], tag="prod").uri)
    assert event["digest"] == kitops.resolve(f"{names[0]}:prod")
    text = said()
    assert f"KitOpsGateRefusedError: 1 of 6 channels went wrong\nstaging of {names[1]} refused: license" in text


def test_a_schedule_may_wait_for_gates_and_is_red_where_something_failed(
    kits: Callable[[str], list[str]],
    policy: Callable[[list[str]], str],
    said: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = kits("waiting")
    with dag("waiting_kits") as made:
        promote_all(policy=policy(names), to="{{ 'staging' }}", skip_refused=True)
    dag_run = run(made)
    assert set(states(dag_run).values()) == {"success"}
    assert [announced(kit, channel) for kit in names for channel in ("staging", "prod")] == [1, 0, 0, 0, 1, 0]

    away = {"conn_type": "kitops", "host": "127.0.0.1:9", "extra": {"keep_trying": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(away))
    with dag("away_kits") as made:
        promote_all(policy=policy([names[0], "127.0.0.1:9/away/kit"]), skip_refused=True, kitops_conn_id="away")
    dag_run = run(made)
    assert states(dag_run) == {"promote_all.promote": "success", "promote_all.check": "failed"}
    assert announced(names[0], "prod") == 1
    assert "KitOpsTaskError: 2 of 4 channels went wrong\nstaging of 127.0.0.1:9/away/kit failed: " in said()


def test_a_dry_run_announces_nothing(kits: Callable[[str], list[str]], policy: Callable[[list[str]], str]) -> None:
    (name, *_) = kits("dry")
    with dag("dry_kits") as made:
        assert KitPromoteAllOperator(task_id="plan", policy=policy([name]), dry_run=True).outlets == []
    dag_run = run(made)
    found = result(dag_run, "plan")
    assert (found["dry_run"], found["counts"]) == (True, {"promoted": 1, "empty": 1})
    with pytest.raises(kitops.NotFoundError):
        kitops.resolve(f"{name}:staging")


def test_an_outlet_that_airflow_would_announce_each_time_is_refused() -> None:
    with dag("outlets"), pytest.raises(ValueError, match="outlets are aliases"):
        KitPromoteAllOperator(task_id="promote", outlets=[modelkit_asset("r.example.com/ml/churn", tag="prod")])


def test_a_promotion_announces_the_channel_through_an_alias_too(
    kits: Callable[[str], list[str]], policy: Callable[[list[str]], str]
) -> None:
    """And not the repository, which is what who waits for new kits waits for."""
    (name, *_) = kits("aliased")
    with dag("aliased_kits") as made:
        KitPromoteOperator.partial(
            task_id="promote", policy=f"{policy([name])}#{name.partition('/')[2]}", outlets=[AssetAlias("releases")]
        ).expand(to=["staging"])
    assert set(states(run(made)).values()) == {"success"}
    assert (announced(name, "staging"), len(events(modelkit_asset(name).uri))) == (1, 0)

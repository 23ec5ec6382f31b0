"""Tasks that read kits, run by Airflow against a real registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag, result, run, states

import kitops_core as kitops
from kitops_airflow import KitInspectOperator, KitOpsHook, KitPackPushOperator, KitPullOperator, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


def test_a_kit_is_pulled_by_the_digest_that_an_earlier_task_returned(
    registry: str, model: Path, tmp_path: Path
) -> None:
    with dag("pulled") as made:
        pack = KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/pulled/churn:1.0")
        KitPullOperator(
            task_id="pull",
            reference=f"{registry}/pulled/churn@{{{{ ti.xcom_pull(task_ids='pack')['digest'] }}}}",
            directory=str(tmp_path / "out"),
            only=["model"],
        ).set_upstream(pack)
    dag_run = run(made)

    pulled = result(dag_run, "pull")
    assert pulled["digest"] == result(dag_run, "pack")["digest"]
    assert (pulled["directory"], pulled["files"]) == (str(tmp_path / "out"), 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.onnx"]


def test_a_function_gets_the_unpacked_kit_and_its_directory_goes_with_the_task(registry: str, model: Path) -> None:
    kitops.pack(model, f"{registry}/handed/churn:1.0", push=True)
    with dag("handed") as made:

        @task.kitops_pull(reference=f"{registry}/handed/churn:1.0")
        def score(kit: Any, factor: int) -> dict[str, Any]:
            return {
                "size": len((kit.directory / "model.onnx").read_bytes()) * factor,
                "directory": str(kit.directory),
                "digest": kit.digest,
                "docs": kit.kitfile.docs[0].path,
            }

        score(2)
    scored = result(run(made), "score")
    assert scored["size"] == 14
    assert scored["docs"] == "README.md"
    assert scored["digest"].startswith("sha256:")
    assert not Path(scored["directory"]).exists()


def test_inspecting_gives_the_record_and_the_kitfile(registry: str, model: Path) -> None:
    contents = kitops.Contents(model=model / "model.onnx", name="churn", parameters={"max_depth": 8})
    packed = kitops.pack(contents, f"{registry}/inspected/churn:1.0", push=True)
    with dag("inspected") as made:
        KitInspectOperator(task_id="look", reference=f"{registry}/inspected/churn:1.0")
    seen = result(run(made), "look")
    assert seen["digest"] == packed.digest
    assert seen["kitfile"]["model"]["parameters"] == {"max_depth": 8}


def test_by_asset_the_kit_of_its_newest_event_is_taken_though_the_tag_moved_on(registry: str, model: Path) -> None:
    churn = modelkit_asset(f"{registry}/newest/churn")
    with dag("newest_producer") as made:
        KitPackPushOperator(task_id="pack", source=str(model), asset=churn, tags=["dev"])
    announced = result(run(made), "pack")["digest"]
    (model / "model.onnx").write_bytes(b"others")
    assert kitops.pack(model, f"{registry}/newest/churn:dev", push=True).digest != announced

    with dag("newest_consumer") as made:
        look = KitInspectOperator(task_id="look", asset=churn)
    assert result(run(made), "look")["digest"] == announced
    assert look.inlets == [churn]


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 has the events of inlets only")
def test_mapped_tasks_read_the_kit_of_their_asset_which_is_no_inlet_before_they_are_made(
    registry: str, model: Path
) -> None:
    assets = [modelkit_asset(f"{registry}/mapped/{name}") for name in ("one", "two")]
    with dag("mapped_packs") as made:
        for number, asset in enumerate(assets):
            KitPackPushOperator(task_id=f"pack_{number}", source=str(model), tags=["dev"], asset=asset)
    packed = run(made)
    with dag("mapped_looks") as made:
        KitInspectOperator.partial(task_id="look").expand(asset=assets)
    dag_run = run(made)
    for number in range(2):
        looked = result(dag_run, "look", map_index=number)
        assert (looked["repository"], looked["digest"]) == (
            f"mapped/{('one', 'two')[number]}",
            result(packed, f"pack_{number}")["digest"],
        )


def test_an_asset_that_nothing_was_said_of_yet_is_an_error_that_says_what_to_do(
    registry: str, said: Callable[[], str]
) -> None:
    silent = modelkit_asset(f"{registry}/silent/churn")
    with dag("silent") as made:
        KitInspectOperator(task_id="look", asset=silent)
    assert states(run(made)) == {"look": "failed"}
    assert "has no event that says which kit to take: run the DAG that makes it" in said()


def test_plain_python_uses_the_hook(registry: str, model: Path) -> None:
    with dag("plain") as made:

        @task
        def both() -> str:
            with KitOpsHook().get_conn() as client:
                packed = client.pack(model, f"{registry}/plain/churn:1.0", push=True)
                assert client.resolve(f"{registry}/plain/churn:1.0") == packed.digest
                return client.open(f"{registry}/plain/churn:1.0").digest

        both()
    assert states(run(made)) == {"both": "success"}


def test_a_kit_that_is_not_named_is_a_mistake_in_the_dag() -> None:
    with dag("unnamed"), pytest.raises(ValueError, match="KitInspectOperator needs reference= or asset="):
        KitInspectOperator(task_id="look")


def test_a_pull_without_a_directory_unpacks_nowhere(registry: str, model: Path, said: Callable[[], str]) -> None:
    kitops.pack(model, f"{registry}/nowhere/churn:1.0", push=True)
    with dag("nowhere") as made:
        KitPullOperator(task_id="pull", reference=f"{registry}/nowhere/churn:1.0")
    assert states(run(made)) == {"pull": "failed"}
    assert "no directory says where to unpack to" in said()

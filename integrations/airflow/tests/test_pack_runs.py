"""Packing tasks, run by Airflow against a real registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from airflow.providers.common.compat.sdk import AssetAlias, task
from dag_runs import AIRFLOW_V_3_3_PLUS, dag, events, result, run, states

import kitops_core as kitops
from kitops_airflow import KitPackOperator, KitPackPushOperator, ModelKitEvent, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


def test_what_a_function_returns_is_pushed_and_announced_with_its_digest(registry: str, model: Path) -> None:
    churn = modelkit_asset(f"{registry}/announced/churn")
    with dag("announced") as made:

        @task.kitops_pack(asset=churn, tags=["{{ run_id }}", "dev"])
        def fit(directory: str) -> str:
            return directory

        @task(inlets=[churn])
        def page(**context: Any) -> Any:  # what the asset's page shows
            return context["asset_state_store"][churn].get("digest") if "asset_state_store" in context else None

        fit(str(model)) >> page()
    dag_run = run(made)

    assert states(dag_run) == {"fit": "success", "page": "success"}
    (extra,) = events(churn.uri)
    record = result(dag_run, "fit")
    assert result(dag_run, "page") == (record["digest"] if AIRFLOW_V_3_3_PLUS else None)
    assert extra == record
    with kitops.open(f"{registry}/announced/churn:dev") as kit:
        assert kit.digest == record["digest"]
        assert kit.read("model.onnx") == b"weights"
    assert record["changed"] is True
    source = record["source"]
    assert (source["orchestrator"], source["pipeline"], source["task"]) == ("airflow", "announced", "fit")
    assert source["run"] == dag_run.run_id
    assert source["url"].startswith("http")
    assert record["tags"][0].startswith("manual__")  # a run id, made into a tag


def test_a_function_may_have_a_directory_of_its_own_which_goes_with_the_task(registry: str) -> None:
    with dag("workdir") as made:

        @task.kitops_pack(reference=f"{registry}/workdir/churn:dev")
        def fit(number: int, workdir: Path) -> Path:
            (workdir / "model.onnx").write_bytes(b"weights")
            return workdir

        fit.expand(number=[1, 2])
    dag_run = run(made)
    first, second = (result(dag_run, "fit", map_index=index) for index in range(2))
    assert first["kit"] == {"name": "churn"}
    assert second["digest"] == first["digest"]  # and its directory was another one


@pytest.mark.parametrize("returned", ["bundle", {"model": "out/model.onnx"}, {"datasets": {"eval": "eval.csv"}}])
def test_a_path_that_other_runs_may_share_is_refused(registry: str, returned: Any, said: Callable[[], str]) -> None:
    with dag("shared_path") as made:

        @task.kitops_pack(reference=f"{registry}/shared-path/churn:1", retries=3)
        def fit() -> Any:
            return returned

        fit()
    assert states(run(made)) == {"fit": "failed"}
    assert "relative to the worker's directory: runs at one time share it: take a parameter workdir" in said()


def test_contents_by_name_keep_their_parameters(registry: str, model: Path) -> None:
    with dag("by_name") as made:

        @task.kitops_pack(reference=f"{registry}/by-name/churn:1.0")
        def fit() -> dict[str, Any]:
            return {"model": str(model / "model.onnx"), "name": "churn", "parameters": {"max_depth": 8}}

        fit()
    dag_run = run(made)

    assert result(dag_run, "fit")["kit"] == {"name": "churn"}
    with kitops.open(f"{registry}/by-name/churn:1.0") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.parameters == {"max_depth": 8}


@pytest.mark.parametrize("provenance", [True, False])
def test_the_kits_among_what_it_is_made_from_are_its_parents(registry: str, model: Path, provenance: bool) -> None:
    base = f"{registry}/made-from/base"
    pinned = f"{base}@{kitops.pack(model, f'{base}:1', push=True).digest}"
    with dag(f"made_from_{provenance}") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{registry}/made-from/churn:{provenance}",
            inputs=[pinned, "s3://data/churn.parquet"],
            provenance=provenance,
        )
    assert result(run(made), "pack")["parents"] == [pinned]


def test_packing_the_same_files_again_says_so_and_can_end_as_skipped(registry: str, model: Path) -> None:
    reference = f"{registry}/again/churn:1.0"
    for name, expected in (("first", "success"), ("second", "skipped")):
        with dag(f"again_{name}") as made:
            KitPackPushOperator(task_id="pack", source=str(model), reference=reference, skip_unchanged=True)
        dag_run = run(made)
        assert states(dag_run) == {"pack": expected}
        assert result(dag_run, "pack")["changed"] is (name == "first")
    assert len(events(f"oci://{registry}/again/churn")) == 1


def test_the_asset_of_a_channel_hears_only_of_its_tag(registry: str, model: Path, said: Callable[[], str]) -> None:
    prod, dev = (modelkit_asset(f"{registry}/channel/churn", tag=tag) for tag in ("prod", "dev"))
    with dag("channel") as made:
        KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{registry}/channel/churn:dev", outlets=[prod, dev]
        )
    run(made)
    assert [bool(extra.get("digest")) for extra in events(dev.uri)] == [True]
    assert not any(extra.get("digest") for extra in events(prod.uri))
    assert f"outlet {prod.uri} is not what was written" in said()


def test_mapped_tasks_announce_each_repository_through_an_alias(registry: str, model: Path) -> None:
    names = [f"{registry}/mapped/{name}" for name in "abc"]
    with dag("mapped") as made:
        KitPackPushOperator.partial(
            task_id="pack",
            source=str(model),
            outlets=[AssetAlias("nightly-kits")],
            map_index_template="{{ task.reference }}",
        ).expand(reference=[f"{name}:1.0" for name in names])
    dag_run = run(made)

    assert {ti.state for ti in dag_run.get_task_instances()} == {"success"}
    for index, name in enumerate(names):
        (extra,) = events(f"oci://{name}")
        event = ModelKitEvent.from_extra(extra)
        assert event.reference == f"{name}@{event.digest}"
        assert event.source["task"] == f"pack[{index}]"


def test_mapped_tasks_announce_one_asset_and_airflow_knows_before_they_are_made(registry: str, tmp_path: Path) -> None:
    churn = modelkit_asset(f"{registry}/folds/churn")
    with dag("folds") as made:

        @task.kitops_pack(asset=churn, tags=["fold-{{ ti.map_index }}"])
        def fit(fold: int) -> dict[str, Any]:
            weights = tmp_path / f"{fold}.bin"
            weights.write_bytes(bytes([fold]))
            return {"model": str(weights)}

        fit.expand(fold=[1, 2])
        KitPackPushOperator.partial(task_id="pack", asset=churn).expand(source=[])
    assert [made.get_task(name).outlets for name in ("fit", "pack")] == [[churn], [churn]]
    run(made)
    assert sorted(extra["tag"] for extra in events(churn.uri)) == ["fold-0", "fold-1"]


def test_a_kit_for_this_worker_goes_to_its_local_store_and_is_announced_to_nobody(model: Path) -> None:
    with dag("local") as made:
        pack = KitPackOperator(task_id="pack", source=str(model), reference="local-churn:dev")
    record = result(run(made), "pack")
    assert pack.outlets == []
    with kitops.open(f"local-churn@{record['digest']}", where="store") as kit:
        assert kit.read("model.onnx") == b"weights"


def test_a_mistake_is_told_with_its_remedy_and_not_tried_again(
    registry: str, model: Path, said: Callable[[], str]
) -> None:
    with dag("mistake") as made:
        KitPackPushOperator(
            task_id="pack", source={"modle": str(model)}, reference=f"{registry}/mistake/churn:1.0", retries=3
        )
    dag_run = run(made)
    assert states(dag_run) == {"pack": "failed"}  # and not up_for_retry
    assert "contents by name have no 'modle': they have model, parts" in said()


def test_numbers_of_numpy_are_measured_and_the_event_is_plain_json(registry: str, model: Path) -> None:
    churn = modelkit_asset(f"{registry}/numbers/churn")
    with dag("numbers") as made:

        @task.kitops_pack(asset=churn, tags=["dev"])
        def fit() -> dict[str, Any]:
            return {
                "model": model / "model.onnx",
                "parameters": {"depth": numpy.int64(8), "rate": numpy.float32(0.5)},
                "metrics": {"accuracy": numpy.float64(0.94), "gain": numpy.float32(0.5)},
            }

        fit()
    assert states(run(made)) == {"fit": "success"}
    (extra,) = events(churn.uri)
    assert json.loads(json.dumps(extra, allow_nan=False)) == extra
    assert kitops.metrics(f"{registry}/numbers/churn:dev") == {"accuracy": 0.94, "gain": 0.5}


def test_an_array_among_the_parameters_is_refused_by_its_name(
    registry: str, model: Path, said: Callable[[], str]
) -> None:
    kitfile = {"manifestVersion": "1.0.0", "model": {"path": "model.onnx", "parameters": {"rates": numpy.ones(2)}}}
    with dag("array") as made:

        @task.kitops_pack(reference=f"{registry}/array/churn:1", retries=3)
        def contents() -> dict[str, Any]:
            return {"model": model / "model.onnx", "parameters": {"rates": [numpy.ones(2)]}}

        @task.kitops_pack(reference=f"{registry}/array/churn:2", retries=3, kitfile=kitfile)
        def mapping() -> Path:
            return model

        contents()
        mapping()
    assert states(run(made)) == {"contents": "failed", "mapping": "failed"}
    told = said()
    assert "parameters.rates[0]: numpy.ndarray cannot be written as JSON: make it a list with .tolist()" in told
    assert "the Kitfile given: model.parameters.rates: numpy.ndarray cannot be written as JSON" in told
    assert "pydantic" not in told


def test_a_figure_that_is_no_number_is_refused_before_anything_is_sent(
    registry: str, model: Path, said: Callable[[], str]
) -> None:
    with dag("no_number") as made:

        @task.kitops_pack(reference=f"{registry}/nan/churn:1", retries=3)
        def pack() -> dict[str, Any]:
            return {"model": model / "model.onnx", "metrics": {"loss": numpy.nan}}

        pack()
    assert states(run(made)) == {"pack": "failed"}
    assert "the metric 'loss' is 'nan', not a finite number" in said()
    with pytest.raises(kitops.NotFoundError):
        kitops.open(f"{registry}/nan/churn:1")


def test_the_record_is_plain_json(registry: str, model: Path) -> None:
    with dag("plain_json") as made:
        KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/plain-json/churn:1.0")
    record = result(run(made), "pack")
    assert json.loads(json.dumps(record)) == record

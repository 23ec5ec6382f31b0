"""What templates, overrides and copies make of an operator's arguments."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task
from dag_runs import dag, events, result, run, states

import kitops_core as kitops
from kitops_airflow import KitInspectOperator, KitPackPushOperator, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.mark.parametrize("tags", ["{{ params.number }}", ["{{ params.number }}"]])
def test_a_tag_that_native_templates_made_a_number_of_is_the_tag(registry: str, model: Path, tags: Any) -> None:
    with dag("native_number", render_template_as_native_obj=True, params={"number": "7"}) as made:
        KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/native/churn", tags=tags)
    assert result(run(made), "pack")["tags"] == ["7"]


@pytest.mark.parametrize("tags", ["{{ params.version }}", ["{{ params.version }}"]])
def test_a_version_that_native_templates_spoilt_is_refused(
    registry: str, model: Path, said: Callable[[], str], tags: Any
) -> None:
    with dag("native_version", render_template_as_native_obj=True, params={"version": "1.10"}) as made:
        KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/spoilt/churn", tags=tags)
    assert states(run(made)) == {"pack": "failed"}
    assert "1.1 is a number and no text: a DAG with render_template_as_native_obj" in said()
    with pytest.raises(kitops.NotFoundError):
        kitops.resolve(f"{registry}/spoilt/churn:1.1")


def test_a_figure_from_a_template_is_a_number(registry: str, model: Path) -> None:
    with dag("figure_from_template") as made:

        @task
        def evaluate() -> dict[str, float]:
            return {"accuracy": 0.94}

        template = "{{ ti.xcom_pull(task_ids='evaluate')['accuracy'] }}"
        evaluate() >> KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{registry}/figure/churn:1", metrics={"accuracy": template}
        )
    run(made)
    with kitops.Client() as client:
        assert client.metrics(f"{registry}/figure/churn:1") == {"accuracy": 0.94}


def test_figures_that_a_template_made_text_of_are_refused(registry: str, model: Path, said: Callable[[], str]) -> None:
    with dag("figures_as_text", params={"figures": {"accuracy": 0.94}}) as made:
        KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{registry}/text/churn:1", metrics="{{ params.figures }}"
        )
    assert states(run(made)) == {"pack": "failed"}
    assert "metrics are str, and must be figures by name, {'accuracy': 0.94}: give what the task returned" in said()


def test_another_asset_by_override_takes_the_place_of_the_first(registry: str, model: Path) -> None:
    one, two = (modelkit_asset(f"{registry}/override/{name}") for name in ("one", "two"))
    with dag("override") as made:

        @task.kitops_pack(asset=one, tags=["dev"])
        def fit(depth: int) -> str:
            return str(model)

        fit.override(task_id="other", asset=two)(1)
        fit.override(task_id="mapped").override(asset=two).expand(depth=[1])
        fit.override(task_id="elsewhere", asset=None, reference=f"{registry}/override/two:1")(1)
        fit.override(task_id="later", retries=2)(1)
    outlets = {name: [outlet.uri for outlet in made.get_task(name).outlets] for name in made.task_ids}
    assert outlets == {"other": [two.uri], "mapped": [two.uri], "elsewhere": [two.uri], "later": [one.uri]}
    assert set(states(run(made)).values()) == {"success"}
    assert [len(events(asset.uri)) for asset in (one, two)] == [1, 3]


def test_a_part_of_a_dag_can_be_run_alone(registry: str, model: Path) -> None:
    with dag("whole") as made:
        packed = KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/part/churn:1")
        packed >> KitInspectOperator(task_id="look", reference=f"{registry}/part/churn:1")
    part = made.partial_subset("pack", include_upstream=False)
    assert part.task_ids == ["pack"]
    copied = copy.deepcopy(packed)
    assert (copied.reference, copied.outlets) == (packed.reference, packed.outlets)

"""A Dagster run is told to a receiver of OpenLineage, by the variables that the documentation exports."""

from __future__ import annotations

import dagster as dg
import pytest
from lineage_receiver import lineage_receiver
from readme import snippet
from runs import run

from dagster_kitops import ModelKit, ModelKitContents


@dg.asset(io_manager_key="modelkit")
def churn() -> ModelKitContents:
    return ModelKitContents(model=b"weights", metrics={"accuracy": 0.94})


@dg.asset(io_manager_key="modelkit")
def tuned(churn: ModelKit) -> ModelKitContents:
    return ModelKitContents(model=churn.read("model.bin") + b"!")


def test_each_asset_is_told_once_with_the_run_as_its_parent(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lineage_receiver() as receiver:
        export = snippet("dagster", "docs/openlineage.md").splitlines()[0].removeprefix("$ export ")
        for variable in export.split():
            name, _, value = variable.partition("=")
            monkeypatch.setenv(name, value.replace("http://localhost:5000", receiver.url))
        result = run([churn, tuned], instance)
        jobs = [job for _, job in receiver.told()]
        assert [state for state, _ in receiver.told()] == ["START", "COMPLETE"] * 2
        assert [job.rpartition(".pack.")[2] for job in jobs] == ["churn", "churn", "tuned", "tuned"]
        assert {event["job"]["namespace"] for event in receiver.events} == {"ml"}
        assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in receiver.events} == {result.run_id}
        parent, made = receiver.events[1]["outputs"][0], receiver.events[3]["inputs"]
        digest = parent["facets"]["version"]["datasetVersion"]
        assert [(item["name"], item["facets"]["version"]["datasetVersion"]) for item in made] == [("churn", digest)]
        assert parent["facets"]["kitops_metrics"]["metrics"] == [{"name": "accuracy", "value": 0.94}]

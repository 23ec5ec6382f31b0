"""What OpenLineage is told: kits as datasets, with their digests as versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import HookLineageCollector
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag, run, states

import kitops_core as kitops
from kitops_airflow import KitInspectOperator, KitOpsHook, KitPackPushOperator, modelkit_asset
from kitops_airflow.openlineage import convert_asset_to_openlineage, operator_lineage

DIGEST = "sha256:" + "a" * 64


def told(dataset: Any) -> tuple[str, str, str]:
    version = (dataset.facets or {}).get("version")
    return dataset.namespace, dataset.name, version.datasetVersion if version else ""


def test_an_operator_names_what_it_read_and_wrote_with_digests() -> None:
    lineage = operator_lineage([f"R.example.com:5000/ml/base@{DIGEST}"], [f"r.example.com/ml/churn@{DIGEST}"])
    assert [told(item) for item in lineage.inputs] == [("oci://r.example.com:5000", "ml/base", DIGEST)]
    assert [told(item) for item in lineage.outputs] == [("oci://r.example.com", "ml/churn", DIGEST)]


def test_an_asset_becomes_the_same_dataset() -> None:
    dataset = convert_asset_to_openlineage(modelkit_asset("r.example.com/ml/churn", tag="prod"), None)
    assert told(dataset) == ("oci://r.example.com", "ml/churn", "")


@pytest.mark.usefixtures("airflow_database")
def test_tasks_that_ran_have_their_lineage_and_load_no_plugins_for_it(
    registry: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitops_airflow.lineage.get_hook_lineage_collector", None)  # it loads them
    with dag("lineage") as made:
        pack = KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/lineage/churn:1.0")
        look = KitInspectOperator(task_id="look", reference=f"{registry}/lineage/churn:1.0")
        pack >> look
    seen: dict[str, Any] = {}
    for operator in (pack, look):
        made.get_task(operator.task_id).post_execute = lambda context, result=None, operator=operator: seen.update(
            {operator.task_id: context["task"].get_openlineage_facets_on_complete(context["ti"])}
        )
    assert set(states(run(made)).values()) == {"success"}
    with kitops.open(f"{registry}/lineage/churn:1.0") as kit:
        expected = (f"oci://{registry}", "lineage/churn", kit.digest)
    assert [told(item) for item in seen["pack"].outputs] == [expected]
    assert [told(item) for item in seen["look"].inputs] == [expected]


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="the collector has other names there")
def test_plain_python_is_collected_through_the_hook(
    registry: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = HookLineageCollector()  # Airflow's own; without a reader of lineage it gives one that forgets
    monkeypatch.setattr("kitops_airflow.lineage.get_hook_lineage_collector", lambda: collector)
    reference = f"{registry}/collected/churn:1.0"
    with KitOpsHook().get_conn() as client:
        record = client.pack(model, reference, push=True)
        assert client.open(reference).digest == record.digest
        client.pack(model, f"{registry}/not-collected/churn:1.0")  # into the local store
    collected = collector.collected_assets
    outputs = {info.asset.uri: info.asset.extra for info in collected.outputs}
    inputs = {info.asset.uri: info.asset.extra for info in collected.inputs}
    uri = f"oci://{registry}/collected/churn"
    assert outputs == inputs == {uri: {"digest": record.digest}}

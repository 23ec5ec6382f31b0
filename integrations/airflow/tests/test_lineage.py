"""What OpenLineage is told: kits as datasets, with their digests as versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import HookLineageCollector
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.providers.openlineage import conf as provider_conf
from dag_runs import dag, run, states

import kitops_core as kitops
from kitops_airflow import KitInspectOperator, KitOpsHook, KitPackPushOperator, KitPromoteOperator, modelkit_asset
from kitops_airflow.openlineage import convert_asset_to_openlineage, operator_lineage, provider_tells

OURS = "urn:kitops-core:"
DIGEST = "sha256:" + "a" * 64


def told(dataset: Any) -> tuple[str, str, str]:
    version = (dataset.facets or {}).get("version")
    return dataset.namespace, dataset.name, version.datasetVersion if version else ""


def test_an_operator_names_what_it_read_with_digests() -> None:
    lineage = operator_lineage([], [f"R.example.com:5000/ml/base@{DIGEST}"])
    assert [told(item) for item in lineage.inputs] == [("oci://r.example.com:5000", "ml/base", DIGEST)]
    assert lineage.outputs == []


def test_an_asset_becomes_the_same_dataset() -> None:
    dataset = convert_asset_to_openlineage(modelkit_asset("r.example.com/ml/churn", tag="prod"), None)
    assert told(dataset) == ("oci://r.example.com", "ml/churn", "")


def test_the_provider_tells_where_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENLINEAGE_URL", "AIRFLOW__OPENLINEAGE__TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patched:
        found = []
        for url in ("", "http://127.0.0.1:9"):
            patched.setenv("OPENLINEAGE_URL", url)
            forget_configuration()
            found.append(provider_tells())
    forget_configuration()
    assert found == [False, True]


def forget_configuration() -> None:
    """The provider remembers what it read."""
    for function in vars(provider_conf).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What operators tell the provider, by task; nobody else is told, and no plugins are loaded for it."""
    monkeypatch.setattr("kitops_airflow.openlineage.provider_tells", lambda: True)
    monkeypatch.setattr("kitops_airflow.lineage.get_hook_lineage_collector", None)  # it loads them
    return {}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def listen(made: Any, seen: dict[str, Any]) -> Any:
    """Ask each task for its lineage after it ran, as the provider does."""
    for task_id in made.task_ids:
        made.get_task(task_id).post_execute = lambda context, result=None: seen.update(
            {context["ti"].task_id: context["task"].get_openlineage_facets_on_complete(context["ti"])}
        )
    return made


@pytest.mark.usefixtures("airflow_database")
def test_tasks_that_ran_have_their_lineage(registry: str, model: Path, seen: dict[str, Any], tmp_path: Path) -> None:
    policy = tmp_path / "promotion.yaml"
    policy.write_text(f"kit: {registry}/lineage/churn\nchannels: {{dev: {{}}, prod: {{from: dev}}}}\n")
    events = tmp_path / "events.json"
    with dag("lineage") as made:
        pack = KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{registry}/lineage/churn:dev",
            inputs=["s3://user:hunter2@raw/train.csv?token=hunter2"],
            metrics={"accuracy": 0.94},
        )
        look = KitInspectOperator(task_id="look", reference=f"{registry}/lineage/churn:dev")
        promote = KitPromoteOperator(task_id="promote", to="prod", policy=str(policy))
        pack >> look >> promote
    with pytest.MonkeyPatch.context() as patched:
        transport = {"type": "file", "log_file_path": str(events), "append": True}
        patched.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
        assert set(states(run(listen(made, seen))).values()) == {"success"}
    with kitops.open(f"{registry}/lineage/churn:dev") as kit:
        expected = (f"oci://{registry}", "lineage/churn", kit.digest)
    assert [told(item) for item in seen["pack"].outputs] == [expected]
    assert [told(item) for item in seen["pack"].inputs] == [("s3://raw", "train.csv", "")]
    facets = seen["pack"].outputs[0].facets
    assert [(one.name, one.value) for one in facets["kitops_metrics"].metrics] == [("accuracy", 0.94)]
    assert facets["kitops_evidence"].predicateTypes == ["slsaprovenance1", "test-result"]
    assert [told(item) for item in seen["look"].inputs] == [expected]
    assert ([told(item) for item in seen["promote"].inputs], seen["promote"].outputs) == ([expected], [])
    assert seen["promote"].run_facets["kitops_promotion"].channel == "prod"
    assert not [event for event in lines(events) if event["producer"].startswith(OURS)]


@pytest.mark.usefixtures("airflow_database")
def test_where_the_provider_tells_nothing_the_engine_does(
    registry: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitops_airflow.openlineage.provider_tells", lambda: False)
    events = tmp_path / "events.json"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    with dag("untold") as made:
        KitPackPushOperator(task_id="pack", source=str(model), reference=f"{registry}/untold/churn:dev")
    assert set(states(run(made)).values()) == {"success"}
    found = [event for event in lines(events) if event["producer"].startswith(OURS)]
    assert [event["eventType"] for event in found] == ["START", "COMPLETE"]
    job = f"{made.dag_id}.pack.pack.untold/churn"
    assert {(event["job"]["namespace"], event["job"]["name"]) for event in found} == {("airflow", job)}
    assert {event["run"]["facets"]["parent"]["job"]["name"] for event in found} == {made.dag_id}


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

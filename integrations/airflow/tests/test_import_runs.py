"""Importing tasks, run by Airflow: the Hub's own client before a stand-in, and a real registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from airflow.models import Connection
from dag_runs import dag, events, result, run, states
from hub_server import TOKEN, Fault, Hub, hub_server

import kitops_core as kitops
from kitops_airflow import KitImportOperator, modelkit_asset

pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
pytestmark = pytest.mark.usefixtures("airflow_database")
FILES = {"model.safetensors": b"w" * 5000, "config.json": b"{}", "README.md": b"---\nlicense: mit\n---\n"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        served.use(monkeypatch)
        yield served


def test_a_model_is_imported_and_announced_with_its_commit(hub: Hub, registry: str) -> None:
    commit = hub.repo("acme/smol").commit(FILES)
    smol = modelkit_asset(f"{registry}/imported/smol")
    for name, expected in (("first", "success"), ("second", "skipped")):
        with dag(f"import_{name}") as made:
            KitImportOperator(
                task_id="smol", source="acme/{{ 'smol' }}", asset=smol, tags=["{{ ds }}"], skip_unchanged=True
            )
        dag_run = run(made)
        assert states(dag_run) == {"smol": expected}
    (extra,) = events(smol.uri)
    assert extra["origin"] == f"hf://acme/smol@{commit}"
    assert extra["source"]["orchestrator"] == "airflow"
    assert result(dag_run, "smol")["changed"] is False
    with kitops.open(extra["reference"]) as kit:
        assert kit.digest == extra["digest"]
        assert kit.read("config.json") == b"{}"


def test_the_token_of_a_connection_is_used_and_not_logged(
    hub: Hub, registry: str, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = "private"
    monkeypatch.setenv("AIRFLOW_CONN_HUB", Connection(conn_id="hub", conn_type="http", password=TOKEN).get_uri())
    with dag("import_closed") as made:
        KitImportOperator(
            task_id="closed", source="acme/closed", reference=f"{registry}/imported/closed:1", hub_conn_id="hub"
        )
    dag_run = run(made)
    assert states(dag_run) == {"closed": "success"}
    assert TOKEN not in said() + str(result(dag_run, "closed"))


def test_what_is_altered_fails_the_task_and_announces_nothing(hub: Hub, registry: str) -> None:
    hub.repo("acme/altered").commit({"model.safetensors": b"nobody has these yet" * 100})
    hub.faults.append(Fault("cdn/", times=99, alter=lambda piece: bytes(len(piece))))
    with dag("import_altered") as made:
        KitImportOperator(task_id="altered", source="acme/altered", reference=f"{registry}/imported/altered:1")
    assert states(run(made)) == {"altered": "failed"}
    assert events(f"oci://{registry}/imported/altered") == []

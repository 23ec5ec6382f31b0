"""A password is used, and shown nowhere: XComs, rendered fields, events, logs, the trigger's row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from dag_runs import dag, result, run, states
from registry_fixture import PASSWORD, USERNAME, Served

from kitops_airflow import KitInspectOperator, KitPackPushOperator, KitPullOperator, ModelKitTagSensor, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def secured(auth_registry: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    connection = {"conn_type": "kitops", "host": auth_registry.address, "login": USERNAME, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_SECURED", json.dumps(connection))
    return auth_registry.address


def test_a_password_reaches_the_registry_and_nothing_else(
    secured: str, model: Path, tmp_path: Path, airflow_database: Path, said: Callable[[], str]
) -> None:
    churn = modelkit_asset(f"{secured}/secured/churn")
    with dag("secured", default_args={"kitops_conn_id": "secured"}) as made:
        pack = KitPackPushOperator(task_id="pack", source=str(model), asset=churn, tags=["dev"])
        wait = ModelKitTagSensor(task_id="wait", asset=modelkit_asset(f"{secured}/secured/churn", tag="dev"))
        pull = KitPullOperator(task_id="pull", reference="secured/churn:dev", directory=str(tmp_path / "out"))
        pack >> wait >> pull >> KitInspectOperator(task_id="look", asset=churn)
    dag_run = run(made)

    assert set(states(dag_run).values()) == {"success"}
    assert result(dag_run, "pull")["digest"] == result(dag_run, "pack")["digest"]
    assert PASSWORD not in said()
    with sqlite3.connect(airflow_database / "airflow.db") as database:
        assert not any(PASSWORD in line for line in database.iterdump())


def test_a_refused_password_is_told_without_showing_it(
    auth_registry: Served, model: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    wrong = "tr0ub4dor-and-three"
    connection = {"conn_type": "kitops", "host": auth_registry.address, "login": USERNAME, "password": wrong}
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(connection))
    with dag("refused") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{auth_registry.address}/refused/churn:1",
            kitops_conn_id="wrong",
            retries=2,
        )
    assert states(run(made)) == {"pack": "failed"}
    text = said()
    assert "the credentials of connection 'wrong' were used" in text
    assert wrong not in text


def test_another_registry_is_not_sent_the_connections_password(
    secured: str, registry: str, model: Path, said: Callable[[], str]
) -> None:
    with dag("elsewhere") as made:
        KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{registry}/elsewhere/churn:1", kitops_conn_id="secured"
        )
    assert states(run(made)) == {"pack": "failed"}
    assert f"connection 'secured' has credentials for {secured}" in said()

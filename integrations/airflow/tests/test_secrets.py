"""A password is used, and shown nowhere: XComs, rendered fields, events, logs, the trigger's row."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dag_runs import dag, result, run, states
from registry_fixture import HTPASSWD, PASSWORD, USERNAME, Served, serve_registry

from kitops_airflow import (
    KitInspectOperator,
    KitOpsHook,
    KitPackPushOperator,
    KitPullOperator,
    ModelKitTagSensor,
    modelkit_asset,
)

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
            retry_delay=timedelta(seconds=0),
        )
    (ti,) = run(made).get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 3)  # the password may be renewed until the last
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
    assert states(run(made)) == {"pack": "success"}
    assert PASSWORD not in said()


@pytest.fixture
def renewing() -> Iterator[Served]:
    """A registry whose password file a test may write again."""
    extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
    with serve_registry(extra, files={"htpasswd": HTPASSWD}) as served:
        yield served


def test_a_task_goes_on_where_the_connection_is_renewed_while_it_runs(
    renewing: Served, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(user: str) -> None:
        connection = {"conn_type": "kitops", "host": renewing.address, "login": user, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_RENEWED", json.dumps(connection))

    connect(USERNAME)
    with KitOpsHook("renewed").get_conn() as client:
        client.pack(model, f"{renewing.address}/renewed/churn:1", push=True)
        (renewing.root / "htpasswd").write_text(HTPASSWD.replace(USERNAME, "next"))
        os.utime(renewing.root / "htpasswd", (time.time() + 5, time.time() + 5))
        connect("next")
        (model / "model.onnx").write_bytes(b"others")
        packed = client.pack(model, f"{renewing.address}/renewed/churn:2", push=True)
        assert client.resolve(f"{renewing.address}/renewed/churn:2") == packed.digest

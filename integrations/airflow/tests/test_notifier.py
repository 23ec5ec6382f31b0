"""The notifier, against a webhook that listens."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_2_PLUS
from dag_runs import AIRFLOW_V_3_3_PLUS, dag, run

import kitops_core as kitops
from kitops_airflow import KitPackPushOperator, ModelKitNotifier

pytestmark = pytest.mark.usefixtures("airflow_database")


class Webhook(HTTPServer):
    """Keeps what was posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.paths: list[str] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Webhook  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.append(self.path)
        self.server.posted.append((self.headers.get("Authorization", ""), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        connection = {
            "conn_type": "http",
            "host": "127.0.0.1",
            "port": server.server_address[1],
            "schema": "http",
            "password": "hook-secret",
            "extra": {"path": "/services/one"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(connection))
        yield server
        server.shutdown()
        thread.join()


def test_a_pushed_kit_is_told_of_with_its_record(webhook: Webhook, registry: str, model: Path) -> None:
    with dag("notified") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{registry}/notified/churn:1.0",
            on_success_callback=ModelKitNotifier(webhook_conn_id="chat"),
        )
    run(made)
    ((authorization, message),) = webhook.posted
    assert authorization == "Bearer hook-secret"
    assert message["text"].startswith(f"notified.pack: {registry}/notified/churn:1.0 is sha256:")
    assert message["modelkit"]["repository"] == "notified/churn"


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="dag.test() of older ones calls back in other states")
def test_a_task_that_begins_or_is_skipped_is_not_said_to_have_succeeded(
    webhook: Webhook, registry: str, model: Path
) -> None:
    tell = ModelKitNotifier(webhook_conn_id="chat")
    name = f"{registry}/skipped/churn:1.0"
    digest = kitops.pack(model, name, push=True).digest
    with dag("notified_skip") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=name,
            skip_unchanged=True,
            on_execute_callback=tell,
            on_skipped_callback=tell,
        )
    run(made)
    assert [message["text"] for _, message in webhook.posted] == [
        "notified_skip.pack began",
        f"notified_skip.pack was skipped: {name} is {digest}",
    ]


def test_the_url_of_a_webhook_is_a_connection(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", f"http://127.0.0.1:{webhook.server_address[1]}/services/one?timeout=5")
    with dag("notified_url") as made:

        @task(on_success_callback=ModelKitNotifier(webhook_conn_id="chat", text="done"))
        def work() -> None:
            pass

        work()
    run(made)
    ((_, message),) = webhook.posted
    assert (webhook.paths, message["text"]) == (["/services/one"], "done")


def test_a_failure_is_told_of_with_its_reason(webhook: Webhook, registry: str) -> None:
    with dag("notified_failure") as made:
        KitPackPushOperator(
            task_id="pack",
            source={"modle": "x"},
            reference=f"{registry}/notified/churn:1.0",
            on_failure_callback=ModelKitNotifier(webhook_conn_id="chat"),
        )
    run(made)
    ((_, message),) = webhook.posted
    assert message["text"].startswith("notified_failure.pack failed")
    assert message["modelkit"] is None
    if AIRFLOW_V_3_1_PLUS and not AIRFLOW_V_3_3_PLUS:
        pytest.skip("dag.test() of Airflow 3.1 and 3.2 gives callbacks no exception, so no reason is told")
    assert message["text"].startswith("notified_failure.pack failed: contents by name have no 'modle'")


def test_its_text_can_be_given_and_is_a_template(webhook: Webhook, registry: str, model: Path) -> None:
    with dag("notified_text") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{registry}/notified/churn:1.0",
            on_success_callback=ModelKitNotifier(webhook_conn_id="chat", text="{{ ti.task_id }} is done"),
        )
    run(made)
    assert webhook.posted[0][1]["text"] == "pack is done"


@pytest.mark.parametrize(("reason", "how"), [("success", "succeeded"), ("task_failure", "failed: task_failure")])
def test_a_run_is_told_of_by_how_it_ended_and_not_by_one_of_its_tasks(webhook: Webhook, reason: str, how: str) -> None:
    with dag("notified_run") as made:
        pass
    contexts: list[dict[str, Any]] = [{"dag": made, "run_id": "r1", "reason": reason}]
    ti = type("TI", (), {"dag_id": "notified_run", "task_id": "last", "state": "success"})()
    dag_run = type("DagRun", (), {"dag_id": "notified_run", "run_id": "r1"})()
    contexts.append({"dag": made, "dag_run": dag_run, "ti": ti, "reason": reason})  # where Airflow knows a last task
    for context in contexts:
        ModelKitNotifier(webhook_conn_id="chat")(context)
    said = {"text": f"notified_run r1 {how}", "modelkit": None, "url": ""}
    assert [message for _, message in webhook.posted] == [said, said]


@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="approvals came with Airflow 3.1")
def test_an_approval_tells_that_it_asks_and_not_that_it_succeeded(webhook: Webhook) -> None:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    with dag("notified_approval"):
        ask = ApprovalOperator(task_id="approve", subject="Promote?")
    ti = type("TI", (), {"dag_id": "notified_approval", "task_id": "approve", "state": None})()
    ModelKitNotifier(webhook_conn_id="chat").notify({"ti": ti, "task": ask})
    assert webhook.posted[0][1]["text"] == "notified_approval.approve asks: Promote?"


@pytest.mark.skipif(not AIRFLOW_V_3_2_PLUS, reason="the triggerer of Airflow 3.1 calls by another class")
def test_a_missed_deadline_is_told_of_as_the_triggerer_calls_for_it(webhook: Webhook) -> None:
    from airflow.triggers.callback import CallbackTrigger

    context = {
        "dag_run": {"dag_id": "late", "dag_run_id": "manual__1"},
        "deadline": {"id": "d", "deadline_time": "2026-01-01 06:00:00+00:00"},
    }
    for text, said in (
        ("", "late manual__1 missed its deadline, 2026-01-01 06:00:00+00:00"),
        ("{{ dag_run.dag_id }} is late", "late is late"),
    ):
        kwargs = {"webhook_conn_id": "chat", "text": text, "context": dict(context)}
        trigger = CallbackTrigger("kitops_airflow.notifications.ModelKitNotifier", kwargs)

        async def fire(trigger: Any = trigger) -> list[Any]:
            return [event.payload async for event in trigger.run()]

        asyncio.run(fire())
        assert webhook.posted.pop() == (
            "Bearer hook-secret",
            {"text": said, "modelkit": None, "url": ""},
        )


def test_a_webhook_that_refuses_is_an_error_without_its_url(webhook: Webhook) -> None:
    webhook.status = 500
    notifier = ModelKitNotifier(webhook_conn_id="chat")
    with pytest.raises(RuntimeError, match="the webhook of 'chat' answered 500") as caught:
        notifier.notify({"ti": type("TI", (), {"dag_id": "d", "task_id": "t", "log_url": ""})(), "exception": "x"})
    assert "services" not in str(caught.value)


def test_a_webhook_that_cannot_be_reached_is_told_without_its_url(
    registry: str, model: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    connection = {"conn_type": "http", "host": "127.0.0.1", "port": 9, "schema": "http", "extra": {"path": "/s/canary"}}
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(connection))
    with dag("notified_nobody") as made:
        KitPackPushOperator(
            task_id="pack",
            source=str(model),
            reference=f"{registry}/notified/churn:1.0",
            on_success_callback=ModelKitNotifier(webhook_conn_id="chat"),
        )
    run(made)
    text = said()
    assert "the webhook of 'chat' cannot be reached" in text
    assert "/s/canary" not in text

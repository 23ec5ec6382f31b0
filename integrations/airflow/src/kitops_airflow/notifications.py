"""The notifier: a message when a kit was pushed or promoted, or when a task with a kit failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook, BaseNotifier

from kitops_airflow.masking import mask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


class ModelKitNotifier(BaseNotifier):
    """Posts JSON to a webhook: ``text`` for people, as Slack and Mattermost read it, and the record for programs.

    Give it to ``on_success_callback`` and ``on_failure_callback`` of a task or a DAG, to an approval as one of its
    ``notifiers``, or to a deadline alert as ``AsyncCallback(ModelKitNotifier, kwargs={...})``. A promotion that a gate
    refused is a failure, whose text names the gates.

    Args:
        webhook_conn_id: An HTTP connection; its URL is the webhook, its password is sent as a bearer token.
        text: The message, instead of the standard one. Templated.
    """

    template_fields: Sequence[str] = ("text",)

    def __init__(self, *, webhook_conn_id: str, text: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_conn_id = webhook_conn_id
        self.text = text

    def notify(self, context: Any) -> None:
        """Send the message.

        Raises:
            RuntimeError: The webhook did not take it; the message has its status, never its URL: whoever knows that may
                post.
        """
        self._post(BaseHook.get_connection(self.webhook_conn_id), self.message(context))

    async def async_notify(self, context: Any) -> None:
        """Send the message from the triggerer, where callbacks of deadline alerts run.

        Raises:
            RuntimeError: As of :meth:`notify`.
        """
        connection = await BaseHook.aget_connection(self.webhook_conn_id)
        await asyncio.to_thread(self._post, connection, self.message(context))

    def message(self, context: Any) -> dict[str, Any]:
        """What is sent: about a task, or about a run, where Airflow calls for a DAG or for a deadline."""
        of_run = _of_run(context)
        said = _of_task(context) if of_run is None else of_run
        return {**said, "text": self.text} if self.text else said

    def _post(self, connection: Connection, message: Mapping[str, Any]) -> None:
        import urllib3

        url, headers = self._target(connection)
        try:  # without urllib3's own retries and redirects, which log the URL
            response = urllib3.request(
                "POST", url, body=json.dumps(message).encode(), headers=headers, timeout=30.0, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise RuntimeError(
                f"the webhook of '{self.webhook_conn_id}' cannot be reached: {type(error).__name__}"
            ) from None
        if response.status >= 300:
            raise RuntimeError(f"the webhook of '{self.webhook_conn_id}' answered {response.status}")

    def _target(self, connection: Connection) -> tuple[str, dict[str, str]]:
        host, schema = connection.host or "", connection.schema or ""
        # An HTTP connection's schema is its protocol; where the webhook's URL was given as the connection, its path.
        is_path = schema not in ("", "http", "https")
        protocol = connection.conn_type if is_path else schema
        address = urlsplit(host if "://" in host else f"{protocol if protocol == 'http' else 'https'}://{host}")
        origin = f"{address.scheme}://{address.netloc}" + (f":{connection.port}" if connection.port else "")
        path = address.path + (f"/{schema}" if is_path else "") + str(connection.extra_dejson.get("path") or "")
        if path.strip("/"):
            mask(path)
        headers = {"Content-Type": "application/json"}
        if connection.password:
            headers["Authorization"] = f"Bearer {connection.password}"
        return origin + path, headers


def _of_task(context: Any) -> dict[str, Any]:
    ti, task, error = context["ti"], context.get("task"), context.get("exception")
    state = getattr(ti, "state", None)
    where, url = f"{ti.dag_id}.{ti.task_id}", getattr(ti, "log_url", "")
    if not error and state in (None, "running") and (subject := getattr(task, "subject", "")):
        with suppress(ValueError, KeyError, AttributeError):  # no [api] base_url on this worker, or an older provider
            url = task.generate_link_to_ui_from_context(context=context)
        return {"text": f"{where} asks: {subject}", "modelkit": None, "url": url}
    # dag.test() of Airflow 3.1 and 3.2 says only by the state that it failed, and not why.
    failed = bool(error) or state in ("failed", "up_for_retry")
    record = None if failed or state == "running" else ti.xcom_pull(task_ids=ti.task_id, key="return_value")
    if not isinstance(record, dict) or "digest" not in record:
        record = None
    if failed:
        text = f"{where} failed" + (f": {error}" if error else "")
    elif state == "running":
        text = f"{where} began"
    elif state == "skipped":
        text = f"{where} was skipped" + (f": {record.get('reference', '')} is {record['digest']}" if record else "")
    elif record:
        text = f"{where}: {record.get('reference', '')} is {record['digest']}"
    else:
        text = f"{where} succeeded"
    return {"text": text, "modelkit": record, "url": url}


def _of_run(context: Any) -> dict[str, Any] | None:
    """What is said of a whole run; ``None`` where the callback is a task's.

    The context of a DAG's callback has a task too, some last one: how that ended says nothing of the run.
    """
    run = context.get("dag_run")
    if "deadline" in context:  # its run is no object, but what the REST API says of one
        said = f"missed its deadline, {context['deadline'].get('deadline_time')}"
        return {"text": f"{run['dag_id']} {run['dag_run_id']} {said}", "modelkit": None, "url": ""}
    if "reason" not in context:
        return None
    dag_id = getattr(run, "dag_id", None) or context["dag"].dag_id
    run_id = getattr(run, "run_id", None) or context.get("run_id", "")
    said = "succeeded" if context["reason"] == "success" else f"failed: {context['reason']}"
    return {"text": f"{dag_id} {run_id} {said}", "modelkit": None, "url": ""}

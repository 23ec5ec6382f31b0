"""The notifier: a message when a kit was pushed or promoted, or when a task with a kit failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook, BaseNotifier

from kitops_airflow.masking import mask


class ModelKitNotifier(BaseNotifier):
    """Posts JSON to a webhook: ``text`` for people, as Slack and Mattermost read it, and the record for programs.

    Give it to ``on_success_callback`` and ``on_failure_callback`` of a task. A promotion that a gate refused is a
    failure, whose text names the gates.

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
        import urllib3

        url, headers = self._target()
        body = json.dumps(self.message(context)).encode()
        try:  # without urllib3's own retries and redirects, which log the URL
            response = urllib3.request("POST", url, body=body, headers=headers, timeout=30.0, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise RuntimeError(
                f"the webhook of '{self.webhook_conn_id}' cannot be reached: {type(error).__name__}"
            ) from None
        if response.status >= 300:
            raise RuntimeError(f"the webhook of '{self.webhook_conn_id}' answered {response.status}")

    def message(self, context: Any) -> dict[str, Any]:
        """What is sent."""
        ti = context["ti"]
        where = f"{ti.dag_id}.{ti.task_id}"
        error = context.get("exception")
        # dag.test() of Airflow 3.1 says only by the state that it failed, and not why.
        failed = bool(error) or getattr(ti, "state", "") in ("failed", "up_for_retry")
        record = None if failed else ti.xcom_pull(task_ids=ti.task_id, key="return_value")
        if not isinstance(record, dict) or "digest" not in record:
            record = None
        if self.text:
            text = self.text
        elif failed:
            text = f"{where} failed" + (f": {error}" if error else "")
        elif record:
            text = f"{where}: {record.get('reference', '')} is {record['digest']}"
        else:
            text = f"{where} succeeded"
        return {"text": text, "modelkit": record, "url": getattr(ti, "log_url", "")}

    def _target(self) -> tuple[str, dict[str, str]]:
        connection = BaseHook.get_connection(self.webhook_conn_id)
        host = connection.host or ""
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        address = urlsplit(host if "://" in host else f"{scheme}://{host}")
        origin = f"{address.scheme}://{address.netloc}" + (f":{connection.port}" if connection.port else "")
        path = address.path + str(connection.extra_dejson.get("path") or "")
        if path.strip("/"):
            mask(path)
        headers = {"Content-Type": "application/json"}
        if connection.password:
            headers["Authorization"] = f"Bearer {connection.password}"
        return origin + path, headers

"""What a run left on the Prefect server: events, artifacts, logs."""

from __future__ import annotations

import time
import uuid
from typing import Any

from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker


def repository(registry: str) -> str:
    """A repository that no other test has."""
    return f"{registry}/ml/churn-{uuid.uuid4().hex[:10]}"


def events_of(resource: str, *, wait_for: str = "", count: int = 1, seconds: float = 30) -> list[dict[str, Any]]:
    """The events whose resource is ``resource``, oldest first, once ``count`` of them are ``wait_for``."""
    EventsWorker.instance().wait_until_empty()
    deadline = time.monotonic() + seconds
    while True:
        with get_client(sync_client=True) as client:
            body = {"filter": {"resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
            found = client.request("POST", "/events/filter", json=body).json()["events"]
        if not wait_for or sum(event["event"] == wait_for for event in found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def artifacts(kind: str = "") -> list[dict[str, Any]]:
    """Every artifact, newest first."""
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"sort": "CREATED_DESC", "limit": 100}).json()
    return [artifact for artifact in found if not kind or artifact["type"] == kind]

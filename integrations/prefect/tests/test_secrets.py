"""A password is where it is used and nowhere else."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import write_bundle
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

import kitops_core as kitops
from prefect_kitops import (
    ModelKitRef,
    ModelKitRepository,
    OCIRegistry,
    materialize_modelkit,
    pack_modelkit,
    pull_modelkit,
    resolve_modelkit,
)

SECRET = "n0t-the-passw0rd"


def database_files() -> list[Path]:
    """The database of the server, as it is on disk."""
    file = Path(PREFECT_SERVER_DATABASE_CONNECTION_URL.value().rpartition("://")[2])
    return sorted(file.parent.glob(f"{file.name}*"))


@pytest.mark.usefixtures("prefect_server")
def test_a_password_is_in_no_log_event_artifact_parameter_result_or_database(
    auth_registry: Served, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = repository(auth_registry.address)
    churn = ModelKitRepository(
        registry=OCIRegistry(host=auth_registry.address, username=USERNAME, password=PASSWORD),
        repository=name.partition("/")[2],
    )
    churn.save("with-a-password", overwrite=True)
    refused = OCIRegistry(host=auth_registry.address, username=USERNAME, password=SECRET)
    wrong = churn.model_copy(update={"registry": refused})

    @materialize_modelkit("decorated", registry=churn)
    def train() -> Path:
        return write_bundle(tmp_path / "other", b"other")

    @flow(persist_result=True, log_prints=True)
    def release(registry: ModelKitRepository) -> ModelKitRef:
        kit = pack_modelkit(bundle, "dev", registry=registry)
        train()
        print(registry)
        with pytest.raises(kitops.DeniedError):
            resolve_modelkit("dev", registry=wrong)
        return pull_modelkit(kit, tmp_path / "out", registry=registry)

    kit = release(churn)
    EventsWorker.instance().wait_until_empty()
    seen: dict[str, Any] = {"log": caplog.text, "result": kit.model_dump_json()}
    with get_client(sync_client=True) as client:
        for what in ("events", "artifacts", "logs", "flow_runs", "task_runs", "block_documents"):
            body = {"limit": 50 if what == "events" else 200}
            seen[what] = json.dumps(client.request("POST", f"/{what}/filter", json=body).json())
    for path in [*Path(os.environ["PREFECT_LOCAL_STORAGE_PATH"]).rglob("*"), *database_files()]:
        seen[str(path)] = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    assert len(seen["artifacts"]) > 500
    assert any(kit.digest in text for where, text in seen.items() if where.endswith(".db") or where.endswith("-wal"))
    assert not [where for where, text in seen.items() if PASSWORD in text or SECRET in text]

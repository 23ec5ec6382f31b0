"""Kits made of what lies in object stores, with Airflow's connections, from a real S3 server."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag, result, run, states
from s3_server import BUCKET, S3Server

import kitops_core as kitops
from kitops_airflow import KitPackLayersOperator, KitPackPushOperator

pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="ObjectStoragePath is another there"),
]
HERE = f"s3://models@{BUCKET}"  # the connection "models"


@pytest.fixture
def nothing_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of more than a layer's record cannot be made."""

    def refused(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a temporary directory was made")

    monkeypatch.setattr(tempfile, "mkdtemp", refused)


@pytest.mark.usefixtures("nothing_is_copied")
def test_a_directory_and_files_of_a_store_are_packed_without_a_copy(s3: S3Server, registry: str, model: Path) -> None:
    s3.put(model, "copied/churn")
    with dag("object_store") as made:
        KitPackPushOperator(task_id="all", source=f"{HERE}/copied/churn", reference=f"{registry}/s3/churn:1.0")
        KitPackPushOperator(
            task_id="named",
            source={"model": f"{HERE}/copied/churn/model.onnx", "docs": [f"{HERE}/copied/churn/README.md"]},
            reference=f"{registry}/s3/named:1.0",
        )
        KitPackPushOperator(
            task_id="contents",
            source=kitops.Contents(model=ObjectStoragePath(f"{HERE}/copied/churn/model.onnx")),
            reference=f"{registry}/s3/contents:1.0",
        )
        KitPackPushOperator(task_id="local", source=f"file://{model}", reference=f"{registry}/s3-local/churn:1.0")
    ran = run(made)
    assert states(ran) == dict.fromkeys(("all", "named", "contents", "local"), "success")
    digests = {name: result(ran, name)["digest"] for name in ("all", "local")}
    assert digests["all"] == digests["local"] == kitops.pack(model, "churn:here").digest
    with kitops.open(f"{registry}/s3/named:1.0") as kit:
        assert kit.read("README.md") == b"# Churn\n"


def test_a_path_goes_from_task_to_task_and_is_packed(s3: S3Server, registry: str) -> None:
    with dag("handed_on") as made:

        @task
        def fit() -> ObjectStoragePath:
            bundle = ObjectStoragePath(f"{HERE}/handed-on/churn")
            (bundle / "model.onnx").write_bytes(b"weights")
            return bundle

        @task.kitops_pack(reference=f"{registry}/s3/handed-on:1.0")
        def pack(bundle: ObjectStoragePath) -> dict[str, Any]:
            return {"name": "churn", "model": bundle / "model.onnx"}

        bundle = fit()
        pack(bundle)
        KitPackPushOperator(task_id="whole", source=bundle, reference=f"{registry}/s3/whole:1.0")
    assert states(run(made)) == dict.fromkeys(("fit", "pack", "whole"), "success")
    for name in ("handed-on", "whole"):
        with kitops.open(f"{registry}/s3/{name}:1.0") as kit:
            assert kit.read("model.onnx") == b"weights"


def test_layers_are_packed_from_a_store(s3: S3Server, registry: str, model: Path) -> None:
    s3.put(model, "parts/churn")
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": "churn"}, "docs": [{"path": "README.md"}]}
    with dag("parts") as made:
        KitPackLayersOperator(
            task_id="parts",
            source=f"{HERE}/parts/churn",
            reference=f"{registry}/s3/parts",
            entries="README.md",
            kitfile=kitfile,
        )
    (layer,) = result(run(made), "parts")
    assert layer["path"] == "README.md"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{HERE}/not/there", f"there is nothing at 's3://{BUCKET}/not/there'"),
        ("nowhere://x/model", "nowhere://x/model: .*: install the provider of that store"),
        ("file:///gone/model", "'/gone/model' does not exist"),
    ],
)
def test_what_is_wrong_with_a_store_is_told_with_its_url(
    s3: S3Server, url: str, message: str, said: Callable[[], str]
) -> None:
    with dag("no_store") as made:
        KitPackPushOperator(task_id="pack", source=url, reference="r.example.com/store/none:1.0")
    assert states(run(made)) == {"pack": "failed"}
    assert re.search(message, said())


def test_what_to_install_is_told(s3: S3Server, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})
    with dag("no_client") as made:
        KitPackPushOperator(task_id="pack", source=f"{HERE}/x", reference="r.example.com/store/none:1.0")
    assert states(run(made)) == {"pack": "failed"}
    assert re.search(f"{HERE}/x: .*install apache-airflow-providers-amazon\\[s3fs\\] on the worker", said(), re.DOTALL)
    assert os.environ["AIRFLOW_CONN_MODELS"]

"""One file of a kit, as a path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import AIRFLOW_V_3_3_PLUS, dag, result, run
from registry_fixture import PASSWORD, USERNAME, Served

import kitops_core as kitops
from kitops_airflow import KitOpsHook
from kitops_airflow.fs import split_path
from kitops_core.errors import DeniedError

DIGEST = "sha256:" + "a" * 64

pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="ObjectStoragePath is another there"),
]


@pytest.fixture
def kit(registry: str, model: Path) -> str:
    (model / "src").mkdir()
    (model / "src" / "train.py").write_text("pass\n")
    packed = kitops.pack(model, f"{registry}/fs/churn:1.0", push=True)
    return f"modelkit://{registry}/fs/churn@{packed.digest}"


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="its universal_pathlib warns of every path it does not know")
def test_airflow_knows_the_paths_of_kits_without_a_warning(kit: str) -> None:
    code = f"from airflow.sdk import ObjectStoragePath; print(ObjectStoragePath('{kit}/README.md').read_text())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "# Churn" in done.stdout
    assert "modelkit" not in done.stdout + done.stderr


def test_a_path_goes_from_task_to_task(kit: str) -> None:
    with dag("handed_on") as made:

        @task
        def where() -> ObjectStoragePath:
            return ObjectStoragePath(f"{kit}/README.md")

        @task
        def read(path: ObjectStoragePath) -> str:
            return path.read_text()

        read(where())
    assert result(run(made), "read") == "# Churn\n"


def test_a_file_of_a_kit_is_read_by_its_path(kit: str) -> None:
    path = ObjectStoragePath(f"{kit}/model.onnx")
    assert path.read_bytes() == b"weights"
    assert ObjectStoragePath(f"{kit}/README.md").read_text() == "# Churn\n"
    assert (ObjectStoragePath(kit) / "model.onnx").read_bytes() == b"weights"
    assert path.exists()
    assert path.is_file()
    assert path.stat().st_size == 7


def test_a_file_inside_a_directory_of_the_kit_is_read_too(kit: str) -> None:
    assert ObjectStoragePath(f"{kit}/src/train.py").read_text() == "pass\n"


def test_a_connection_named_in_the_path_gives_the_credentials(
    auth_registry: Served, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "kitops", "host": auth_registry.address, "login": USERNAME, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_SECURED", json.dumps(connection))
    packed = KitOpsHook("secured").get_conn().pack(model, f"{auth_registry.address}/fs/secured:1.0", push=True)
    kit = f"{auth_registry.address}/fs/secured@{packed.digest}"
    assert ObjectStoragePath(f"modelkit://secured@{kit}/README.md").read_text() == "# Churn\n"
    with pytest.raises(DeniedError):
        ObjectStoragePath(f"modelkit://{kit}/README.md").read_text()


def test_a_kit_lists_its_entries(kit: str) -> None:
    assert {path.name for path in ObjectStoragePath(kit).iterdir()} >= {"model.onnx", "README.md"}


def test_what_is_not_there_is_not_found(kit: str) -> None:
    assert not ObjectStoragePath(f"{kit}/nothing").exists()
    with pytest.raises(FileNotFoundError):
        ObjectStoragePath(f"{kit}/nothing").read_bytes()


def test_a_kit_is_never_written_to(kit: str) -> None:
    with pytest.raises(PermissionError, match="never changes"):
        ObjectStoragePath(f"{kit}/model.onnx").write_bytes(b"x")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"h.example.com/ml/churn@{DIGEST}/a/b", (f"h.example.com/ml/churn@{DIGEST}", "a/b")),
        ("127.0.0.1:5000/churn:prod", ("127.0.0.1:5000/churn:prod", "")),
        ("h.example.com:443/ml/churn:1.0/a:b", ("h.example.com:443/ml/churn:1.0", "a:b")),
    ],
)
def test_the_kit_ends_with_its_tag_or_digest(path: str, expected: tuple[str, str]) -> None:
    assert split_path(path) == expected


def test_a_path_without_a_version_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match="names no version"):
        split_path("127.0.0.1:5000/ml/churn/model.onnx")

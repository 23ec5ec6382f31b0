"""An Airflow of its own for the tests: home, SQLite database and kit store in a directory that goes away."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from s3_server import S3Server

# The registry for tests and the README's snippets are the core's.
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))
sys.path.append(str(Path(__file__).parent))

pytest_plugins = ["registry_plugin"]

# Airflow reads its settings when it is first imported, so they are set before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="kitops-airflow-")
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": f"{_HOME.name}/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for-the-tests-only-" * 4,
        # Tests may give their DAGs one name: each is written at once, however young the one before it is.
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",  # silences a warning of Airflow 2 in every process
        "KITOPS_HOME": str(Path(_HOME.name) / "kits"),
        "HOME": _HOME.name,
    }
)
for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "SOURCE_DATE_EPOCH"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's database, migrated; gives AIRFLOW_HOME."""
    from airflow.utils.db import initdb

    (Path(_HOME.name) / "dags").mkdir()
    initdb()
    return Path(_HOME.name)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server, with the connection ``models`` that leads to it."""
    from s3_server import s3_server

    with s3_server() as server:
        os.environ["AIRFLOW_CONN_MODELS"] = json.dumps({**server.connection, "extra": server.extra})
        yield server
        del os.environ["AIRFLOW_CONN_MODELS"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory with a model in it."""
    directory = tmp_path / "churn"
    directory.mkdir()
    (directory / "model.onnx").write_bytes(b"weights")
    (directory / "README.md").write_text("# Churn\n")
    return directory


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A private key's file; release.pub is beside it."""
    from kitops_core import generate_key_pair

    monkeypatch.setenv("COSIGN_PASSWORD", "")
    for name, data in zip(("release.key", "release.pub"), generate_key_pair(b""), strict=True):
        (tmp_path / name).write_bytes(data)
    return str(tmp_path / "release.key")


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that tasks wrote to their logs, wherever this Airflow sends them."""
    return lambda: "".join(capfd.readouterr()) + caplog.text


def pytest_unconfigure() -> None:
    """Remove the home once nothing uses it any more."""
    _HOME.cleanup()

"""An Airflow of its own for the tests: home, SQLite database and kit store in a directory that goes away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Airflow reads its settings when it is first imported, so they are set before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="kitops-airflow-")
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "KITOPS_HOME": str(Path(_HOME.name) / "kits"),
    }
)


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's database, migrated; gives AIRFLOW_HOME."""
    from airflow.utils.db import initdb

    initdb()
    return Path(_HOME.name)


def pytest_unconfigure() -> None:
    """Remove the home once nothing uses it any more."""
    _HOME.cleanup()

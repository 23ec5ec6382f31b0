"""A Prefect of its own for the tests: home, database, results and kit store in a directory that goes away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Prefect reads its settings when it is first imported, so they are set before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="kitops-prefect-")
os.environ.update(
    {
        "PREFECT_HOME": _HOME.name,
        "PREFECT_LOCAL_STORAGE_PATH": str(Path(_HOME.name) / "results"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "KITOPS_HOME": str(Path(_HOME.name) / "kits"),
    }
)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server on a free port with an empty database."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def pytest_unconfigure() -> None:
    """Remove the home once nothing uses it any more."""
    _HOME.cleanup()

"""A Prefect of its own for the tests, and real registries: all of it in a directory that goes away."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# The registry for tests is the core's.
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))

pytest_plugins = ["registry_plugin"]

# Prefect reads its settings when it is first imported, so they are set before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="kitops-prefect-")
os.environ.update(
    {
        "PREFECT_HOME": _HOME.name,
        "PREFECT_LOCAL_STORAGE_PATH": str(Path(_HOME.name) / "results"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "KITOPS_HOME": str(Path(_HOME.name) / "kits"),
    }
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the stores and credentials of whoever runs it."""
    for name in (
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "SOURCE_DATE_EPOCH",
        "OPENLINEAGE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KITOPS_HOME", str(tmp_path / "home" / "kits"))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server on a free port with an empty database."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=240):
        yield


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A directory to pack."""
    return write_bundle(tmp_path / "bundle", b"weights")


def write_bundle(directory: Path, weights: bytes, *, version: str = "1.0.0", depth: int = 6) -> Path:
    """Write a project of which a kit can be packed."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.bin").write_bytes(weights)
    (directory / "README.md").write_text("# Churn\n")
    (directory / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage: {{name: churn, version: {version}, license: Apache-2.0}}\n"
        f"model: {{path: model.bin, parameters: {{max_depth: {depth}}}}}\ndocs: [{{path: README.md}}]\n"
    )
    return directory


def pytest_unconfigure() -> None:
    """Remove the home once nothing uses it any more."""
    _HOME.cleanup()

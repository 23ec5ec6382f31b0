"""A kit store, a Dagster instance and a real registry for the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import hypothesis
import pytest

# The registry for tests is the core's.
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))
sys.path.append(str(Path(__file__).parents[1] / "examples"))

pytest_plugins = ["registry_plugin"]

hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of this test, with the local store in ``kits`` below it."""
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    for name in (
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "SOURCE_DATE_EPOCH",
        "OPENLINEAGE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KITOPS_HOME", str(home / "kits"))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    return home


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory, with no history."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance

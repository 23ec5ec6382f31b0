"""Fixtures for every test of the core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_fixture import HTPASSWD, Served, serve_registry


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the stores and credentials of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KITOPS_HOME", str(home / "kitops"))


@pytest.fixture
def home() -> Path:
    """The home directory of this test: ``~``, with the local store in ``kitops`` below it."""
    return Path(os.environ["HOME"])


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """``host:port`` of an open registry over plain HTTP: $KITOPS_TEST_REGISTRY, or one started for the session."""
    given = os.environ.get("KITOPS_TEST_REGISTRY")
    if given:
        yield given
        return
    with serve_registry() as served:
        yield served.address


@pytest.fixture(scope="session")
def auth_registry() -> Iterator[Served]:
    """A registry that wants a user name and password (``registry_fixture.USERNAME`` and ``PASSWORD``)."""
    extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
    with serve_registry(extra, files={"htpasswd": HTPASSWD}) as served:
        yield served

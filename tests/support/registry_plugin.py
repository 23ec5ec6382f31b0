"""The registries that every member's tests share, as a pytest plugin: ``pytest_plugins = ["registry_plugin"]``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from clients import close_clients
from fault_proxy import FaultProxy, fault_proxy
from registry_fixture import HTPASSWD, Served, serve_registry


@pytest.fixture(autouse=True)
def _closed_clients() -> Iterator[None]:
    """The connections of a test's clients end with it."""
    yield
    close_clients()


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


@pytest.fixture
def faults(registry: str) -> Iterator[FaultProxy]:
    """A reverse proxy before ``registry`` that misbehaves when told to."""
    with fault_proxy(registry) as proxy:
        yield proxy

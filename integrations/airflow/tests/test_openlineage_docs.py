"""What docs/openlineage.md shows for Airflow is what happens."""

from __future__ import annotations

import configparser

import pytest
from airflow.providers.openlineage import conf as provider_conf
from readme import snippet

FILE = "docs/openlineage.md"


def test_the_configuration_is_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    said = configparser.RawConfigParser()
    said.read_string(snippet("airflow", FILE))
    with monkeypatch.context() as patched:
        for name, value in said["openlineage"].items():
            patched.setenv(f"AIRFLOW__OPENLINEAGE__{name.upper()}", value)
        _forget()
        found = provider_conf.transport(), provider_conf.namespace()
    _forget()
    assert found == ({"type": "http", "url": "http://localhost:5000"}, "ml")


def _forget() -> None:
    """The provider remembers what it read."""
    for function in vars(provider_conf).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()

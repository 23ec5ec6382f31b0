"""The repositories of a registry, where it lists them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, answer

import kitops_core as kitops
from kitops_core.session import Session


@pytest.fixture
def names(faults: FaultProxy, tmp_path: Path) -> list[str]:
    """Three repositories of a registry that has others as well."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    made = [f"listed-{uuid.uuid4().hex[:8]}/{name}" for name in ("a", "b", "c")]
    with client() as packing:
        for name in made:
            packing.pack(tmp_path, f"{faults.address}/{name}:1", push=True)
    return made


def test_all_pages_are_read(names: list[str], faults: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitops_core.storage.registry.repositories_list._PAGE", "1")
    with Session() as session:
        found = session.repositories(faults.address)
    assert set(names) <= set(found)
    assert found == sorted(found)
    assert faults.count("GET", "_catalog") >= len(names)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"", kitops.NotFoundError),
        (403, b"", kitops.DeniedError),
        (200, b"<html>", kitops.RegistryError),
        (200, b'{"repositories": [1]}', kitops.RegistryError),
    ],
)
def test_a_registry_that_does_not_list_is_an_error(
    faults: FaultProxy, status: int, body: bytes, error: type[Exception]
) -> None:
    faults.fault("GET", "_catalog", answer(status, body))
    with Session() as session, pytest.raises(error):
        session.repositories(faults.address)

"""Verifying by what the connection says: whom a registry's users trust is said once, and not in every DAG."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dag_runs import dag, result, run, states

import kitops_core as kitops
from kitops_airflow import KitOpsHook, KitVerifyOperator

pytestmark = pytest.mark.usefixtures("airflow_database")


def connect(monkeypatch: pytest.MonkeyPatch, name: str, host: str, **extra: Any) -> None:
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "kitops", "host": host, "extra": extra})
    )


def verified_by(conn_id: str | list[str], reference: str) -> Any:
    with dag(f"verified_{'_'.join([conn_id] if isinstance(conn_id, str) else conn_id)}") as made:
        KitVerifyOperator(task_id="verify", reference=reference, kitops_conn_id=conn_id, by_connection=True)
    return run(made)


def test_the_connection_says_whose_signature_is_needed(
    registry: str, model: Path, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    signed, unsigned = f"{registry}/by-connection/churn:signed", f"{registry}/by-connection/churn:unsigned"
    packed = kitops.Client(signer=key).pack(model, signed, push=True)
    (model / "model.onnx").write_bytes(b"other weights")
    kitops.pack(model, unsigned, push=True)
    monkeypatch.setenv("OTHER_KEY", kitops.generate_key_pair(b"")[1].decode())
    connect(monkeypatch, "trusting", registry, keys=f"env://OTHER_KEY, {tmp_path / 'release.pub'}")
    connect(monkeypatch, "plain", "registry.example.com")

    assert result(verified_by("trusting", signed), "verify")["digest"] == packed.digest
    assert result(verified_by(["plain", "trusting"], signed), "verify")["digest"] == packed.digest
    assert states(verified_by("trusting", unsigned)) == {"verify": "failed"}
    said()
    assert states(verified_by("plain", signed)) == {"verify": "failed"}
    assert "who must have signed is not said by connection 'plain'" in said()


def test_an_identity_may_stand_in_place_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    trust = {"identity": "release@example.com", "issuer": "https://accounts.example.com"}
    connect(monkeypatch, "keyless", "registry.example.com", **trust)
    assert KitOpsHook("keyless").connections[0].trust == trust


def test_a_private_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    private = kitops.generate_key_pair(b"")[0].decode()
    connect(monkeypatch, "mistaken", "registry.example.com", keys=private)
    with pytest.raises(kitops.InvalidInputError) as failed:
        _ = KitOpsHook("mistaken").connections
    assert failed.value.message == "connection 'mistaken': keys holds a private key"


@pytest.mark.parametrize("given", [{}, {"keys": "release.pub", "by_connection": True}])
def test_who_must_have_signed_is_said_once(given: dict[str, Any]) -> None:
    with dag("said_once"), pytest.raises(ValueError, match="say once who must have signed"):
        KitVerifyOperator(task_id="verify", reference="registry.example.com/ml/churn:1", **given)

"""Only a kit that the right key signed is verified, and only such a kit is pulled where that is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prefect import flow
from runs import repository

import kitops_core as kitops
from prefect_kitops import ModelKitRef, averify_modelkit, pull_modelkit, verify_modelkit

PASSWORD = b"of the tests only"


def key_pair(directory: Path, name: str) -> tuple[kitops.SigningKey, str]:
    private, public = kitops.generate_key_pair(PASSWORD)
    (directory / f"{name}.pub").write_bytes(public)
    return kitops.SigningKey.load(private, PASSWORD), str(directory / f"{name}.pub")


def test_a_signature_pins_the_digest_that_was_signed(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    digest = kitops.pack(bundle, f"{name}:dev", push=True).digest
    release, public = key_pair(tmp_path, "release")
    _, other = key_pair(tmp_path, "other")
    with pytest.raises(kitops.VerificationError):
        verify_modelkit.fn(f"{name}:dev", keys=[public])
    kitops.sign(f"{name}:dev", release)
    assert verify_modelkit.fn(f"{name}:dev", keys=[public]).digest == digest
    with pytest.raises(kitops.VerificationError):
        verify_modelkit.fn(f"{name}:dev", keys=[other])
    with pytest.raises(kitops.VerificationError):
        pull_modelkit.fn(f"{name}:dev", tmp_path / "refused", verified_by=[other])
    assert not (tmp_path / "refused").exists()


@pytest.mark.usefixtures("prefect_server")
def test_verifying_and_pulling_are_tasks(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    digest = kitops.pack(bundle, f"{name}:dev", push=True).digest
    release, public = key_pair(tmp_path, "release")
    kitops.sign(f"{name}:dev", release)

    @flow
    def use() -> ModelKitRef:
        return pull_modelkit(verify_modelkit(f"{name}:dev", keys=[public]), tmp_path / "out", verified_by=[public])

    assert use().digest == digest
    assert (tmp_path / "out/model.bin").read_bytes() == b"weights"
    assert asyncio.run(averify_modelkit(f"{name}:dev", keys=[public])).digest == digest

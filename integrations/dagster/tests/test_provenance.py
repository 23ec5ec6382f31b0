"""How a kit was made and what was measured is attached to it, and never changes its digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from clients import find_kit
from runs import data_version, run

from dagster_kitops import ModelKit, ModelKitContents
from kitops_core.errors import InvalidInputError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE, TEST_RESULT
from kitops_core.evidence.statements import read_evidence
from kitops_core.signing.keys import PublicKey, generate_key_pair


def attached(reference: str) -> dict[str, Any]:
    """What is attached to a kit of the local store, by type."""
    found = find_kit(reference)
    return {each.predicate_type: each for each in read_evidence(found.storage, found.manifest.digest)}


def churn_of(contents: ModelKitContents) -> dg.AssetsDefinition:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return contents

    return churn


MEASURED = ModelKitContents(model=b"weights", parameters={"depth": 8}, metrics={"accuracy": 0.94})


def test_the_run_the_inputs_and_the_metrics_are_attached(instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="modelkit")
    def tuned(churn: ModelKit):
        contents = ModelKitContents(model=churn.read("model.bin") + b"!")
        return dg.Output(contents, metadata={"kitops/metric/f1": 0.9})

    result = run([churn_of(MEASURED), tuned], instance)
    assert attached("churn:latest")[TEST_RESULT].statement.predicate["metrics"] == {"accuracy": 0.94}
    found = attached("tuned:latest")
    assert found[TEST_RESULT].statement.predicate["metrics"] == {"f1": 0.9}
    said = str(found[SLSA_PROVENANCE].statement.predicate)
    assert result.run_id in said
    assert data_version(instance, "churn").removeprefix("sha256:") in said


def test_what_is_attached_changes_no_digest(instance: dg.DagsterInstance) -> None:
    run([churn_of(MEASURED)], instance)
    before = data_version(instance, "churn")
    run([churn_of(MEASURED)], instance, provenance=False)
    assert data_version(instance, "churn") == before


def test_nothing_is_attached_where_that_is_not_wanted(instance: dg.DagsterInstance) -> None:
    run([churn_of(MEASURED)], instance, provenance=False)
    assert attached("churn:latest") == {}


def test_it_is_signed_with_a_key_whose_password_is_in_the_environment(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = generate_key_pair(b"s3cret")
    (tmp_path / "release.key").write_bytes(private)
    monkeypatch.setenv("COSIGN_PASSWORD", "s3cret")
    result = run([churn_of(MEASURED)], instance, signer=str(tmp_path / "release.key"))
    key = PublicKey.load(public)
    assert all(each.verified_by([key]) for each in attached("churn:latest").values())
    assert not any("s3cret" in str(entry) for entry in instance.all_logs(result.run_id))


def test_a_wrong_password_is_a_sentence(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release.key").write_bytes(generate_key_pair(b"s3cret")[0])
    monkeypatch.setenv("COSIGN_PASSWORD", "wrong-horse")
    with pytest.raises(InvalidInputError) as caught:
        run([churn_of(MEASURED)], instance, signer=str(tmp_path / "release.key"))
    assert "wrong-horse" not in str(caught.value) + caught.value.hint

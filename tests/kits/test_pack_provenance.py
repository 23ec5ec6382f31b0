"""Packing with provenance: attached before the tags, once, and without changing the kit."""

from __future__ import annotations

import json
import subprocess
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from attachments import attached
from cli_runner import kit, ok
from clients import client
from fault_proxy import FaultProxy, answer, delay
from request_chain import in_a_row
from signing_tools import KEY, OTHER_KEY, write_keys

import kitops_core as kitops
from kitops_core.errors import DeniedError, NotFoundError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE, TEST_RESULT
from kitops_core.evidence.slsa_read import read_build
from kitops_core.reference import parse_reference

RUN = kitops.Source("airflow", "train", "run-1", "fit", "https://me:pw@airflow.example/run-1")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\n")
    (root / "model.bin").write_text("weights")
    return root


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/provenance/{uuid.uuid4().hex[:12]}"


def predicate(reference: str, kind: str = SLSA_PROVENANCE) -> Any:
    (evidence,) = attached(reference, kind)
    assert evidence.statement is not None
    assert evidence.statement.about(evidence.subject)
    return evidence.statement.predicate


@pytest.mark.parametrize("push", [False, True])
def test_the_digest_is_the_same_with_provenance_and_without(bundle: Path, name: str, push: bool) -> None:
    plain = kitops.pack(bundle, f"{name}:plain", push=push)
    told = kitops.pack(bundle, f"{name}:told", push=push, provenance=kitops.Provenance(metrics={"accuracy": 0.94}))
    assert told.digest == plain.digest
    assert {item.predicate_type for item in attached(f"{name}:told", where="registry" if push else "store")} == {
        SLSA_PROVENANCE,
        TEST_RESULT,
    }


def test_the_run_and_what_it_measured_are_attached(bundle: Path, either_registry: str) -> None:
    name = f"{either_registry}/provenance/{uuid.uuid4().hex[:12]}"
    finished = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    provenance = kitops.Provenance(parameters={"depth": 8, "token": "x"}, metrics={"auc": 0.9}, finished=finished)
    client(run=RUN).pack(bundle, f"{name}:1", push=True, provenance=provenance)
    build = read_build(predicate(f"{name}:1"))
    assert (build.pipeline, build.run, build.parameters) == ("train", "run-1", {"depth": 8, "token": "***"})
    assert build.url == "https://airflow.example/run-1"
    result = predicate(f"{name}:1", TEST_RESULT)
    assert (result["metrics"], result["time"], result["result"]) == ({"auc": 0.9}, "2026-11-23T12:00:00Z", "PASSED")


def test_an_unchanged_kit_of_another_run_gets_nothing_new(bundle: Path, name: str) -> None:
    for run in ("run-1", "run-2"):
        provenance = kitops.Provenance(metrics={"auc": 0.9})
        record = client(run=kitops.Source(run=run)).pack(bundle, f"{name}:1", push=True, provenance=provenance)
    assert not record.changed
    assert len(attached(f"{name}:1")) == 2
    kitops.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance(metrics={"auc": 0.8}))
    assert len(attached(f"{name}:1", TEST_RESULT)) == 2
    assert len(attached(f"{name}:1", SLSA_PROVENANCE)) == 1


def test_what_was_said_unsigned_or_by_another_key_is_said_again_signed(bundle: Path, name: str) -> None:
    for key in (None, KEY, OTHER_KEY, KEY, None):
        client(signer=key).pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance())
    found = attached(f"{name}:1")
    signers = [item.verified_by([KEY.public, OTHER_KEY.public]) for item in found]
    assert signers.count(None) == 1
    assert sorted(signer.name for signer in signers if signer) == ["other.key"] * 2 + ["release.key"] * 2


def test_a_signer_signs_the_kit_also_where_nothing_is_said_about_it(bundle: Path, name: str) -> None:
    for _ in range(2):
        client(signer=KEY).pack(bundle, f"{name}:1", push=True)
    assert kitops.verify(f"{name}:1", keys=[KEY.public]).signers == ("release.key",)
    assert len(attached(f"{name}:1")) == 1


def test_no_tag_points_to_a_kit_whose_evidence_could_not_be_attached(bundle: Path, faults: FaultProxy) -> None:
    name = f"{faults.address}/provenance/{uuid.uuid4().hex[:12]}"
    faults.fault("PUT", "/manifests/sha256-", answer(403), times=99)  # the list of referrers
    with pytest.raises(DeniedError):
        kitops.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance())
    with pytest.raises(NotFoundError):
        kitops.open(f"{name}:1", where="registry")


def test_a_parent_named_by_a_tag_is_pinned_to_what_the_tag_is_now(bundle: Path, name: str) -> None:
    base = kitops.pack(bundle, f"{name}-base:7", push=True)
    (bundle / "model.bin").write_text("fine-tuned")
    provenance = kitops.Provenance(inputs=[f"{name}-base:7", kitops.Input("s3://lake/a", {"sha256": "a" * 64})])
    record = kitops.pack(bundle, f"{name}:1", push=True, provenance=provenance)
    assert record.parents == (f"{name}-base@{base.digest}",)
    kit_input, data = read_build(predicate(f"{name}:1")).inputs
    assert kit_input.uri == f"oci://{name}-base@{base.digest}"
    assert kit_input.name == f"{name}-base:7"
    assert data.uri == "s3://lake/a"


def test_a_parent_that_is_not_there_is_said_before_anything_is_sent(bundle: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="base:7"):
        kitops.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance(inputs=[f"{name}-base:7"]))
    with pytest.raises(NotFoundError, match="no repository"):
        kitops.list_kits(name)


def test_the_kit_that_model_path_names_is_a_parent(bundle: Path, name: str) -> None:
    base = kitops.pack(bundle, f"{name}-base:7", push=True)
    (bundle / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\nmodel: {{path: '{name}-base:7'}}\ndocs: [{{path: model.bin}}]\n"
    )
    told = kitops.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance())
    assert told.parents == (f"{name}-base@{base.digest}",)
    assert read_build(predicate(f"{name}:1")).inputs[0].uri == f"oci://{name}-base@{base.digest}"
    asked_nobody = kitops.pack(bundle, "untold:1")
    assert asked_nobody.parents == ()
    kitops.pull(f"{name}-base:7")
    assert kitops.pack(bundle, "untold:2").parents == told.parents


def test_the_commit_and_its_state_are_in_the_statement_and_the_record(bundle: Path) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        names = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", "-C", str(bundle), *names, *arguments], check=True)
    (bundle / "model.bin").write_text("changed")
    record = kitops.pack(bundle, "churn:1", provenance=kitops.Provenance())
    build = read_build(predicate("churn:1"))
    assert len(build.commit) == 40
    assert build.dirty is True
    assert (record.source.git_sha, record.source.git_dirty) == (build.commit, True)
    assert kitops.ModelKitRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_metrics_can_be_attached_later(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    first = client(signer=KEY).attest_metrics(f"{name}:1", {"accuracy": 0.94})
    assert client(signer=KEY).attest_metrics(f"{name}:1", {"accuracy": 0.94}).digest == first.digest
    (evidence,) = attached(f"{name}:1", TEST_RESULT)
    assert evidence.verified_by([KEY.public]) is not None
    assert (evidence.digest, predicate(f"{name}:1", TEST_RESULT)["metrics"]) == (first.digest, {"accuracy": 0.94})


def test_metrics_can_be_attached_later_by_the_command(bundle: Path, name: str, tmp_path: Path) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    write_keys(tmp_path, KEY, "ci")
    asked = ["attest", f"{name}:1", "--type", "test-result", "--metric", "accuracy=0.94", "--metric", "n=3"]
    digest = ok(*asked, "--sign-key", tmp_path / "ci.key", "--json").json["digest"]
    (evidence,) = attached(f"{name}:1", TEST_RESULT)
    assert evidence.digest == digest
    assert predicate(f"{name}:1", TEST_RESULT)["metrics"] == {"accuracy": 0.94, "n": 3}
    assert kit("attest", f"{name}:1", "--type", "test-result").code == 2
    assert kit("attest", f"{name}:1", "--type", "vsa", "--metric", "a=1").code == 2


def test_the_command_attaches_and_signs(bundle: Path, name: str, tmp_path: Path) -> None:
    write_keys(tmp_path, KEY, "ci")
    (tmp_path / "train.csv").write_text("a,b\n")
    asked = [
        "--input",
        tmp_path / "train.csv",
        "--metric",
        "accuracy=0.94",
        "--param",
        "depth=8",
        "--param",
        "kind=tree",
    ]
    ran = ok("pack", bundle, "-t", f"{name}:1", "--push", *asked, "--sign-key", tmp_path / "ci.key", "--json")
    build = read_build(predicate(f"{name}:1"))
    assert build.parameters == {"depth": 8, "kind": "tree"}
    assert build.inputs[0].name == "train.csv"
    assert build.user
    assert predicate(f"{name}:1", TEST_RESULT)["metrics"] == {"accuracy": 0.94}
    assert all(item.bundle for item in attached(f"{name}:1"))
    assert ran.json["digest"] == kitops.pack(bundle, "plain:1").digest


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--metric", "accuracy"], "'accuracy' is not a metric"),
        (["--metric", "accuracy=high"], "'accuracy=high' is not a metric"),
        (["--metric", "accuracy=nan"], "not a finite number"),
        (["--param", "depth"], "a parameter has no name or no value"),
        (["--input", "nothing"], "'nothing' is neither a URI nor a kit's reference nor a file"),
        (["--sign-key", "no.key"], "no.key"),
    ],
)
def test_what_cannot_be_attached_is_said_before_packing(bundle: Path, args: list[str], says: str) -> None:
    ran = kit("pack", bundle, "-t", "churn:1", *args)
    assert ran.code == 3
    assert says in ran.err
    assert kitops.list_kits() == []


def test_provenance_with_the_flag_alone(bundle: Path) -> None:
    ok("pack", bundle, "-t", "churn:1", "--provenance")
    assert predicate("churn:1")["runDetails"]["builder"]["id"] == "urn:kitops-core:builder/local/v1"
    assert parse_reference("churn:1").is_local_name


def test_what_is_said_of_a_kit_waits_for_each_other_no_longer_than_one_statement(
    bundle: Path, faults: FaultProxy, quiet_processor: None
) -> None:
    """A signature, a provenance and its figures: 18 of 27 requests in a row on a quiet machine, where 37 were."""
    how = kitops.Provenance(metrics={"accuracy": 0.9}, parameters={"epochs": 3})
    with client(signer=KEY) as signing:
        signing.pack(
            bundle, f"{faults.address}/said/{uuid.uuid4().hex}:1", push=True, provenance=how
        )  # asks what is there
        (bundle / "model.bin").write_text("other weights")
        faults.seen.clear()
        faults.every = delay(0.1)
        signing.pack(bundle, f"{faults.address}/said/{uuid.uuid4().hex}:1", push=True, provenance=how)
        faults.every = None
    assert 10 < in_a_row(faults.seen) <= 20


def test_a_kit_of_which_something_is_said_is_given_the_tag_that_keeps_it_once(bundle: Path, faults: FaultProxy) -> None:
    repository = f"{faults.address}/kept/{uuid.uuid4().hex}"
    kitops.pack(bundle, f"{repository}:1", push=True, provenance=kitops.Provenance(metrics={"accuracy": 0.9}))
    written = [
        seen.path.rpartition("/")[2] for seen in faults.seen if seen.method == "PUT" and "/manifests/" in seen.path
    ]
    assert [tag.startswith("kitops-kept-") for tag in written].count(True) == 1
    assert written[-1] == "1"

"""A kit's bill of materials: valid CycloneDX 1.6, the same each time, vouching only for what was signed."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from attachments import attached
from cli_runner import ok
from clients import client
from cyclonedx.schema import SchemaVersion
from cyclonedx.schema import _res as resources
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from signing_tools import KEY, OTHER_KEY, write_keys

import kitops_core as kitops
from kitops_core.evidence.predicate_types import CYCLONEDX
from kitops_core.kitfile.licenses import _CARD_IDS, spdx_id
from kitops_core.sbom.licensing import license_choices

KITFILE = """\
manifestVersion: 1.0.0
package: {name: churn, version: 2.4.0, description: Who leaves, license: apache-2.0, authors: [Ada]}
model:
  path: model.bin
  framework: transformers
  parameters: {model_type: bert, architectures: [BertForX], max_depth: 8, api_key: x}
code: [{path: train.py, license: "MIT OR Apache-2.0"}]
datasets:
  - {name: eval, path: eval.csv, license: my own terms, description: Held out}
  - {name: train, remotePath: "s3://lake/train.parquet", remoteHash: "sha256:%s"}
docs: [{path: README.md}]
""" % ("d" * 64)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "Kitfile").write_text(KITFILE)
    for file in ("model.bin", "train.py", "eval.csv", "README.md"):
        (root / file).write_text(file)
    return root


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/bom/{uuid.uuid4().hex[:12]}"


def check(data: dict[str, Any]) -> None:
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(data))
    assert problem is None, problem


def named(data: dict[str, Any], ref: str) -> dict[str, Any]:
    (component,) = [item for item in data["components"] if item["bom-ref"] == ref]
    return component


def test_a_kit_with_everything_is_valid_and_complete(bundle: Path, name: str) -> None:
    base = kitops.pack(bundle, f"{name}-base:7", push=True)
    (bundle / "model.bin").write_text("fine-tuned")
    provenance = kitops.Provenance(
        inputs=[f"{name}-base:7", kitops.Input("https://me:pw@data.example/a", {"sha256": "e" * 64}, "more")],
        metrics={"accuracy": 0.94, "auc": 0.97},
        commit="c" * 40,
    )
    record = kitops.pack(bundle, f"{name}:1", push=True, provenance=provenance)
    data = kitops.bom(f"{name}:1")
    check(data)
    root = data["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("machine-learning-model", "churn", "2.4.0")
    assert root["hashes"] == [{"alg": "SHA-256", "content": record.digest.removeprefix("sha256:")}]
    assert root["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert root["purl"].startswith(f"pkg:oci/{name.rpartition('/')[2]}@sha256%3A")
    card = root["modelCard"]
    assert card["modelParameters"]["architectureFamily"] == "bert"
    assert card["modelParameters"]["modelArchitecture"] == "BertForX"
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "accuracy", "value": "0.94"},
        {"type": "auc", "value": "0.97"},
    ]
    assert {"name": "kitops:parameter:api_key", "value": "***"} in card["properties"]
    refs = {item["ref"] for item in card["modelParameters"]["datasets"]}
    assert refs == {"datasets[0]", "datasets[1]", f"input https://data.example/a {'e' * 64}"}
    assert named(data, "datasets[0]")["licenses"] == [{"license": {"name": "my own terms"}}]
    assert named(data, "datasets[1]")["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    assert named(data, "code[0]")["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    (ancestor,) = root["pedigree"]["ancestors"]
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": base.digest.removeprefix("sha256:")}]
    refs = {item["bom-ref"] for item in data["components"]}
    assert set(data["dependencies"][0]["dependsOn"]) == refs
    assert len(refs) == len(data["components"])
    assert "pw" not in json.dumps(data)


def test_the_smallest_kits_are_valid(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    for kitfile in ("model: {path: a}", "docs: [{path: a}]", "datasets: [{path: a}]", "prompts: [{path: a}]"):
        (tmp_path / "Kitfile").write_text(f"manifestVersion: 1.0.0\n{kitfile}\n")
        kitops.pack(tmp_path, "small:1")
        check(kitops.bom("small:1"))


def test_the_same_kit_gives_the_same_bytes(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1", provenance=kitops.Provenance(metrics={"b": 1, "a": 2}))
    assert ok("bom", "churn:1").out == ok("bom", "churn:1").out
    assert "serialNumber" not in ok("bom", "churn:1").out


def test_the_latest_figure_of_a_name_counts(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    for hour, value in ((3, 0.9), (1, 0.1)):
        kitops.attest_metrics("churn:1", {"auc": value}, time=datetime(2026, 1, 1, hour, tzinfo=timezone.utc))
    card = kitops.bom("churn:1")["metadata"]["component"]["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [{"type": "auc", "value": "0.9"}]


def test_a_signed_bill_vouches_only_for_what_its_key_signed(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance(metrics={"loose": 1}))
    client(signer=OTHER_KEY).attest_metrics(f"{name}:1", {"other": 1})
    client(signer=KEY).attest_metrics(f"{name}:1", {"mine": 1})

    def figures(by: Any = None, **how: Any) -> list[str]:
        card = client(signer=by).bom(f"{name}:1", attach=by is not None, **how)["metadata"]["component"]["modelCard"]
        return [item["type"] for item in card["quantitativeAnalysis"]["performanceMetrics"]]

    assert figures() == ["loose", "mine", "other"]
    assert figures(KEY) == ["mine"]
    assert figures(keys=[OTHER_KEY.public]) == ["other"]
    assert figures(KEY, keys=[OTHER_KEY.public]) == ["mine", "other"]


def test_it_is_attached_once_unsigned(bundle: Path, name: str) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True)
    for _ in range(2):
        data = kitops.bom(f"{name}:1", attach=True)
    (evidence,) = attached(f"{name}:1")
    assert (evidence.artifact_type, evidence.subject) == ("application/vnd.cyclonedx+json", record.digest)
    check(data)


def test_it_is_attached_once_signed_by_the_command(bundle: Path, name: str, tmp_path: Path) -> None:
    write_keys(tmp_path, KEY, "ci")
    kitops.pack(bundle, f"{name}:1", push=True)
    for _ in range(2):
        ok("bom", f"{name}:1", "--sign-key", tmp_path / "ci.key", "-o", tmp_path / "bom.json")
    (evidence,) = attached(f"{name}:1", CYCLONEDX)
    assert evidence.bundle is not None
    assert evidence.statement is not None
    assert evidence.statement.predicate == json.loads((tmp_path / "bom.json").read_text())


def test_every_identifier_that_is_taken_for_one_of_spdx_is_in_the_schema() -> None:
    schema = json.loads(Path(resources.__file__).with_name("spdx.SNAPSHOT.schema.json").read_text())
    assert {known for text in _CARD_IDS if (known := spdx_id(text))} <= set(schema["enum"])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", []),
        ("mit", [{"license": {"id": "MIT"}}]),
        ("odbl", [{"license": {"name": "odbl"}}]),
        ("MIT AND (Apache-2.0 OR BSD-3-Clause)", [{"expression": "MIT AND (Apache-2.0 OR BSD-3-Clause)"}]),
        ("GPL-2.0+ WITH Classpath-exception-2.0", [{"expression": "GPL-2.0+ WITH Classpath-exception-2.0"}]),
        ("MIT OR LicenseRef-mine", [{"expression": "MIT OR LicenseRef-mine"}]),
        ("MIT AND", [{"license": {"name": "MIT AND"}}]),
        ("MIT AND (ISC", [{"license": {"name": "MIT AND (ISC"}}]),
        ("ask Ann OR Ben", [{"license": {"name": "ask Ann OR Ben"}}]),
        ("MIT ISC OR", [{"license": {"name": "MIT ISC OR"}}]),
    ],
)
def test_a_licence_is_an_identifier_an_expression_or_a_name(text: str, written: list[object]) -> None:
    assert license_choices(text) == written


@given(st.text())
def test_any_text_is_some_licence(text: str) -> None:
    assert len(license_choices(text)) == bool(text.strip())
    assert spdx_id(spdx_id(text)) == spdx_id(text)

"""The events themselves, held to what OpenLineage's schemas ask for: its client checks little of that."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest

import kitops_core as kitops
from kitops_core.evidence.inputs import Input
from kitops_core.evidence.predicate_types import COSIGN_SIGN, TEST_RESULT
from kitops_core.openlineage.operation import Operation
from kitops_core.record import VariantRecord
from kitops_core.reference import parse_reference

pytest.importorskip("openlineage.client", reason="needs the extra openlineage")
from openlineage.client.serde import Serde

from kitops_core.openlineage.events import event_of, run_id

DIGEST = "sha256:" + "a" * 64
BASE = "sha256:" + "b" * 64
URI = {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:"}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": URI, "_schemaURL": URI},
    },
}


def named(**more: Any) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    properties = {"namespace": text, "name": text, "facets": FACETS, **more}
    return {"type": "object", "required": ["namespace", "name"], "properties": properties}


RUN_EVENT = {
    "$comment": "What OpenLineage.json 2-0-2 says of a RunEvent; with what that leaves open, no further properties.",
    "type": "object",
    "required": ["eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"],
    "additionalProperties": False,
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$"},
        "producer": URI,
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            "required": ["runId"],
            "properties": {"runId": {"pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "facets": FACETS},
        },
        "job": named(),
        "inputs": {"type": "array", "items": named(inputFacets=FACETS)},
        "outputs": {"type": "array", "items": named(outputFacets=FACETS)},
    },
}

RECORD = kitops.ModelKitRecord(
    digest=DIGEST,
    reference="r.example.com/ml/churn:1.0",
    registry="r.example.com",
    repository="ml/churn",
    tag="1.0",
    tags=("1.0", "dev"),
    size=2048,
    kit={"name": "churn", "version": "1.0", "authors": ["Ada"], "description": "d"},
    layers=(),
    changed=True,
    previous_digest=BASE,
)
PACKED = Operation(
    "pack",
    parse_reference("R.example.com/ml/churn:1.0"),
    kitops.Source("airflow", "train", "manual__2026-01-02", "fit", "https://airflow.example.com/r/1", "c" * 40),
    state="COMPLETE",
    record=RECORD,
    inputs=(
        Input("s3://raw/train.csv"),
        Input(f"oci://r.example.com/ml/base@{BASE}"),
        Input(f"oci://r.example.com/ml/base@{BASE}", {"sha256": "b" * 64}, "base"),
        Input(f"oci://r.example.com/ml/churn@{BASE}"),
    ),
    metrics={"accuracy": 0.94, "loss": "nan"},
    statements=(COSIGN_SIGN, TEST_RESULT),
    signed=True,
)
GATES = [{"name": "soak 1 h", "kind": "soak", "passed": False, "detail": "since 5 min", "evidence": [DIGEST]}]
PROMOTED = replace(
    PACKED,
    verb="promote",
    channel="prod",
    target=parse_reference("prod.example.com/churn:prod"),
    inputs=(Input(f"oci://r.example.com/ml/churn@{DIGEST}"),),
    promotion={"gates": GATES, "changed": True, "previous_digest": BASE, "record": BASE},
)


def said(operation: Operation, **environment: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(Serde.to_json(event_of(operation, environment)))
    jsonschema.Draft202012Validator(RUN_EVENT).validate(event)
    return event


def plain(facet: dict[str, Any]) -> dict[str, Any]:
    """A facet without what every facet has."""
    return {name: value for name, value in facet.items() if not name.startswith("_")}


def datasets(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    version = [item["facets"].get("version", {}).get("datasetVersion", "") for item in found]
    return [(item["namespace"], item["name"], one) for item, one in zip(found, version, strict=True)]


def test_a_kit_is_a_dataset_whose_version_is_its_digest() -> None:
    event = said(PACKED)
    assert datasets(event["outputs"]) == [("oci://r.example.com", "ml/churn", DIGEST)]
    assert event["outputs"][0]["facets"]["datasetType"]["datasetType"] == "MODEL"
    assert plain(event["outputs"][0]["outputFacets"]["outputStatistics"]) == {"size": 2048}


def test_what_it_was_made_from_is_named_once_and_never_itself() -> None:
    expected = [("s3://raw", "train.csv", ""), ("oci://r.example.com", "ml/base", BASE)]
    assert datasets(said(PACKED)["inputs"]) == expected


def test_metrics_evidence_and_the_kit_are_facets_of_our_own() -> None:
    facets = said(PACKED)["outputs"][0]["facets"]
    figures = [{"name": "accuracy", "value": 0.94}, {"name": "loss", "value": "nan"}]
    assert plain(facets["kitops_metrics"]) == {"metrics": figures}
    assert plain(facets["kitops_evidence"]) == {"predicateTypes": ["signature", "test-result"], "signed": True}
    assert plain(facets["kitops_modelkit"]) == {
        "reference": "r.example.com/ml/churn:1.0",
        "digest": DIGEST,
        "tags": ["1.0", "dev"],
        "size": 2048,
        "changed": True,
        "layers": 0,
        "kit": {"name": "churn", "version": "1.0"},
        "previousDigest": BASE,
    }
    own = [facet for name, facet in facets.items() if name.startswith("kitops_")]
    assert {facet["_producer"] for facet in own} == {f"urn:kitops-core:openlineage/{kitops.__version__}"}
    assert all(facet["_schemaURL"].startswith("urn:kitops-core:openlineage/") for facet in own)


def test_an_index_names_its_kits() -> None:
    index = replace(RECORD, kit={}, variants=(VariantRecord(BASE),))
    facet = said(replace(PACKED, verb="index", record=index))["outputs"][0]["facets"]["kitops_modelkit"]
    assert facet["variants"] == [BASE]


@pytest.mark.parametrize("state", ["START", "FAIL", "ABORT"])
def test_what_is_not_there_is_no_output(state: Any) -> None:
    event = said(replace(PACKED, state=state, record=None, error="RegistryError: away" if state == "FAIL" else ""))
    assert event["outputs"] == []
    message = {"message": "RegistryError: away", "programmingLanguage": "PYTHON"}
    assert plain(event["run"]["facets"].get("errorMessage", {})) == (message if state == "FAIL" else {})


class TestJobs:
    def test_one_is_what_a_task_does_to_a_kit(self) -> None:
        job = said(PACKED)["job"]
        assert (job["namespace"], job["name"]) == ("airflow", "train.fit.pack.ml/churn")
        kind = {"processingType": "BATCH", "integration": "KITOPS", "jobType": "PACK"}
        assert plain(job["facets"]["jobType"]) == kind

    def test_a_person_has_no_pipeline(self) -> None:
        job = said(replace(PACKED, run=kitops.Source(actor="ada")))["job"]
        assert (job["namespace"], job["name"]) == ("kitops", "pack.ml/churn")

    def test_a_promotion_has_its_channel(self) -> None:
        assert said(PROMOTED)["job"]["name"] == "train.fit.promote.churn.prod"

    def test_the_namespace_may_be_named_as_for_other_producers(self) -> None:
        assert said(PACKED, OPENLINEAGE_NAMESPACE="ml-team")["job"]["namespace"] == "ml-team"

    def test_the_commit_is_where_its_code_is_and_the_token_in_its_address_is_not(self) -> None:
        source = replace(PACKED.run, git_url="https://ada:hunter2@git.example.com/ml.git")
        found = said(replace(PACKED, run=source))["job"]["facets"]["sourceCodeLocation"]
        url = "https://git.example.com/ml.git"
        assert plain(found) == {"type": "git", "url": url, "repoUrl": url, "version": "c" * 40}


class TestParents:
    def test_the_pipelines_run_is_the_parent(self) -> None:
        event = said(PACKED)
        parent = event["run"]["facets"]["parent"]
        assert parent["job"] == {"namespace": "airflow", "name": "train", "facets": {}}
        assert parent["run"]["runId"] == run_id(PACKED.run) != run_id(replace(PACKED.run, run="another"))
        assert plain(event["run"]["facets"]["kitops_run"])["run"] == "manual__2026-01-02"

    def test_a_run_that_is_a_uuid_keeps_it(self) -> None:
        own = "0193C1C0-0000-7000-8000-000000000001"
        assert run_id(kitops.Source("dagster", "train", own)) == own.lower()

    @pytest.mark.parametrize(
        "given",
        ["ns/dag.task/0193c1c0-0000-7000-8000-000000000001", "ns/dag%2Etask/0193c1c0-0000-7000-8000-000000000001"],
    )
    def test_who_started_the_command_may_say_who_the_parent_is(self, given: str) -> None:
        parent = said(PACKED, OPENLINEAGE_PARENT_ID=given)["run"]["facets"]["parent"]
        assert (parent["job"]["namespace"], parent["job"]["name"]) == ("ns", "dag.task")
        assert parent["run"]["runId"].endswith("0001")

    def test_what_names_no_parent_is_passed_over(self) -> None:
        assert said(PACKED, OPENLINEAGE_PARENT_ID="x/y")["run"]["facets"]["parent"]["job"]["name"] == "train"

    def test_who_has_no_orchestrator_has_no_parent(self) -> None:
        facets = said(replace(PACKED, run=kitops.Source()))["run"]["facets"]
        assert not {"parent", "kitops_run"} & set(facets)


class TestPromotions:
    def test_into_another_repository_is_a_version_there(self) -> None:
        event = said(PROMOTED)
        assert datasets(event["inputs"]) == [("oci://r.example.com", "ml/churn", DIGEST)]
        assert datasets(event["outputs"]) == [("oci://prod.example.com", "churn", DIGEST)]

    def test_within_a_repository_makes_nothing_new(self) -> None:
        event = said(replace(PROMOTED, target=parse_reference("r.example.com/ml/churn:prod")))
        assert datasets(event["inputs"]) == [("oci://r.example.com", "ml/churn", DIGEST)]
        assert event["outputs"] == []

    def test_the_gates_are_a_facet_of_the_run_also_where_they_refused(self) -> None:
        for state in ("COMPLETE", "FAIL"):
            facet = plain(said(replace(PROMOTED, state=state))["run"]["facets"]["kitops_promotion"])  # type: ignore[arg-type]
            assert facet.pop("gates") == GATES
            expected = {"action": "promote", "channel": "prod", "changed": True, "previousDigest": BASE, "record": BASE}
            assert facet == expected


def test_no_secret_is_in_an_event() -> None:
    """Wherever a user may have put one: URLs, names of jobs, the Kitfile, the namespace."""
    token = "hf_" + "a" * 30
    source = kitops.Source("prefect", f"train {token}", "1", "fit", f"https://u:hunter2@p.example.com/?token={token}")
    record = replace(RECORD, kit={"name": f"churn {token}", "license": "https://u:hunter2@l.example.com"})
    inputs = (Input("https://u:hunter2@d.example.com/x?sig=hunter2"), Input(f"s3://b/{token}"))
    event = json.dumps(
        said(
            replace(PACKED, run=source, record=record, inputs=inputs, metrics={f"a {token}": 1.0}),
            OPENLINEAGE_NAMESPACE=f"ml {token}",
        )
    )
    assert "hunter2" not in event
    assert token not in event


def test_times_are_in_utc() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
    assert said(replace(PACKED, time=time))["eventTime"] == "2026-01-02T03:04:05.678+00:00"

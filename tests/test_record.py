"""The shared record: the same keys everywhere, and back again."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

import kitops_core as kitops
from kitops_core.record import SCHEMA, LayerRecord, ModelKitRecord, Source

RECORD = ModelKitRecord(
    digest="sha256:" + "a" * 64,
    reference="registry.example.com/ml/churn:1.0",
    registry="registry.example.com",
    repository="ml/churn",
    tag="1.0",
    tags=("1.0", "dev"),
    size=10,
    kit={"name": "churn"},
    layers=(LayerRecord("model", "m.bin", "application/x", "sha256:" + "b" * 64, "sha256:" + "b" * 64, 8, "written"),),
    changed=True,
    source=Source(orchestrator="dagster", run="r1"),
    parents=("base@sha256:" + "c" * 64,),
    moved=("dev",),
)


def test_the_keys_are_those_every_orchestrator_shows() -> None:
    assert list(RECORD.to_dict()) == [
        "schema",
        "digest",
        "reference",
        "registry",
        "repository",
        "tag",
        "tags",
        "size",
        "kit",
        "layers",
        "changed",
        "previous_digest",
        "source",
        "parents",
        "created",
        "sent",
        "reused",
        "moved",
    ]
    assert RECORD.to_dict()["schema"] == SCHEMA


def test_a_record_says_which_of_its_tags_moved(tmp_path: Path, registry: str) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"one")
    name = f"{registry}/moved/{uuid.uuid4().hex[:8]}"
    contents = kitops.Contents(model=model, name="churn")
    assert kitops.pack(contents, f"{name}:dev", push=True).moved == ("dev",)
    both = kitops.pack(contents, f"{name}:dev", push=True, tags=["1.0"])
    assert (both.changed, both.moved) == (True, ("1.0",))
    again = kitops.pack(contents, f"{name}:dev", push=True, tags=["1.0"])
    assert (again.changed, again.moved) == (False, ())
    kitops.pack(contents, "here:dev")
    assert kitops.push("here:dev", f"{name}:dev").moved == ()
    assert kitops.push("here:dev", f"{name}:prod").moved == ("prod",)


def test_a_record_survives_json() -> None:
    assert ModelKitRecord.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


def test_keys_of_newer_versions_are_passed_over() -> None:
    assert ModelKitRecord.from_dict({**RECORD.to_dict(), "news": 1}) == RECORD


@pytest.mark.parametrize("change", [{"schema": "other"}, {"layers": None}, {"tags": 3}])
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"schema|record"):
        ModelKitRecord.from_dict({**RECORD.to_dict(), **change})

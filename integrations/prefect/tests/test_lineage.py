"""Lineage without a catalogue: the events of Prefect and the records of the registry, together."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Project
from conftest import write_bundle
from prefect import flow
from runs import events_of

from prefect_kitops import ModelKitRef, modelkit_lineage, pack_modelkit, promote_modelkit

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_lineage_joins_events_promotions_and_provenance(tmp_path: Path, registry: str) -> None:
    base, project = Project(tmp_path / "a", registry), Project(tmp_path / "b", registry)
    base.pack("1.0.0")

    @flow
    def release() -> ModelKitRef:
        bundle = write_bundle(tmp_path / "bundle", b"tuned")
        kit = pack_modelkit(bundle, f"{project.kit}:dev", upstream=[f"{base.kit}:dev", "s3://raw/x.csv"], card=False)
        pack_modelkit(write_bundle(tmp_path / "other", b"other"), f"{project.kit}:other", card=False)
        promote_modelkit(kit, to="staging", policy=str(project.policy))
        return kit

    kit = release()
    events_of(kit.asset_key, wait_for="kitops.modelkit.promoted")
    lineage = modelkit_lineage(kit)
    assert {event.digest for event in lineage.events} == {kit.digest}
    assert [event.event for event in lineage.events if "kitops" in event.event] == [
        "kitops.modelkit.pushed",
        "kitops.modelkit.promoted",
    ]
    assert {event.flow for event in lineage.events} == {"release"}
    assert [record.channel for record in lineage.promotions] == ["staging"]
    assert "s3://raw/x.csv" in lineage.upstream
    assert f"oci://{base.kit}@{base.digest('dev')}" in lineage.upstream
    text = lineage.to_markdown()
    assert "flowchart" in text
    assert "| promoted | staging | release |" in text

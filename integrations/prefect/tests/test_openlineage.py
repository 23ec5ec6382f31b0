"""A flow is told to a receiver of OpenLineage, by the variables that the documentation gives its deployment."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from channels import Project
from conftest import write_bundle
from lineage_receiver import lineage_receiver
from prefect import flow
from prefect.runtime import flow_run
from readme import snippet

from prefect_kitops import pack_modelkit, promote_modelkit

pytest.importorskip("openlineage.client", reason="needs kitops-core[openlineage]")
pytestmark = pytest.mark.usefixtures("prefect_server")


def test_each_task_is_told_once_with_the_flow_run_as_its_parent(
    tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "a", registry)

    @flow
    def release() -> str:
        bundle = write_bundle(tmp_path / "bundle", b"tuned")
        kit = pack_modelkit(bundle, f"{project.kit}:dev", upstream=["s3://raw/x.csv"], card=False)
        promote_modelkit(kit, to="staging", policy=str(project.policy))
        return str(flow_run.get_id())

    with lineage_receiver() as receiver:
        variables = yaml.safe_load(snippet("prefect", "docs/openlineage.md"))["work_pool"]["job_variables"]["env"]
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("http://localhost:5000", receiver.url))
        own = release()
        repository = project.kit.partition("/")[2]
        told = receiver.told()
        pack, promote = (next(job for _, job in told if f".{verb}." in job) for verb in ("pack", "promote"))
        assert told == [(state, job) for job in (pack, promote) for state in ("START", "COMPLETE")]
        assert (pack.endswith(f".pack.{repository}"), promote.endswith(f".{repository}.staging")) == (True, True)
        assert {event["job"]["namespace"] for event in receiver.events} == {"ml"}
        parents = [event["run"]["facets"]["parent"] for event in receiver.events]
        assert {(one["job"]["name"], one["run"]["runId"]) for one in parents} == {("release", own)}
        assert [item["name"] for item in receiver.events[1]["inputs"]] == ["x.csv"]

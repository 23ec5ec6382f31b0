"""A person approves a kit for a channel from Dagster's launchpad, and the promotion takes their word."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import QUIET, data_version

from dagster_kitops import (
    KitOpsResource,
    ModelKitContents,
    ModelKitIOManager,
    approval_job,
    promotion_assets,
)
from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.signing.keys import generate_key_pair

JOB = "approve_churn_for_prod"


class Project:
    """A kit, a channel that asks for an approval, and the job to give it, with the approver's key in a resource."""

    def __init__(self, registry: str, instance: dg.DagsterInstance, directory: Path) -> None:
        self.instance = instance
        self.weights = b"first"
        self.registry = f"{registry}/{uuid.uuid4().hex[:8]}"
        for person in ("risk", "other"):
            for kind, data in zip(("key", "pub"), generate_key_pair(b""), strict=True):
                (directory / f"{person}.{kind}").write_bytes(data)
        policy = directory / "promotion.yaml"
        policy.write_text(
            f"kit: {self.registry}/churn\nchannels:\n  prod:\n    approvals: {{keys: [risk.pub], needed: 1}}\n"
        )
        self.directory = directory

        @dg.asset(io_manager_key="modelkit")
        def churn():
            return ModelKitContents(model=self.weights)

        self.assets = [churn, *promotion_assets(churn, policy)]
        self.job = approval_job(churn, "prod", policy=policy, kitops_key="approver")

    def defs(self, person: str) -> dg.Definitions:
        resource = KitOpsResource(registry=self.registry)
        approver = KitOpsResource(registry=self.registry, signer=str(self.directory / f"{person}.key"))
        return dg.Definitions(
            self.assets,
            jobs=[self.job],
            resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource), "approver": approver},
        )

    def run(self, *keys: str) -> Any:
        return (
            self.defs("risk")
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
                run_config=QUIET,
                raise_on_error=False,
            )
        )

    def approve(self, person: str = "risk", **said: str) -> Any:
        config = {**QUIET, "ops": {f"{JOB}_op": {"config": said}}}
        return self.defs(person).resolve_job_def(JOB).execute_in_process(instance=self.instance, run_config=config)


@pytest.fixture
def project(registry: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    return Project(registry, instance, tmp_path)


def test_a_kit_is_promoted_once_a_person_has_approved_it(project: Project, instance: dg.DagsterInstance) -> None:
    assert not project.run("churn", "churn/prod").success
    assert project.approve(note="looked at it").success
    assert project.run("churn/prod").success
    digest = data_version(instance, "churn")
    assert data_version(instance, "churn", "prod") == digest

    project.weights = b"second"  # nobody has looked at this one
    assert not project.run("churn", "churn/prod").success
    assert data_version(instance, "churn", "prod") == digest


def test_the_kit_they_looked_at_is_what_they_approve(project: Project, instance: dg.DagsterInstance) -> None:
    project.run("churn")
    seen = data_version(instance, "churn")
    project.weights = b"second"
    project.run("churn")
    assert project.approve(digest=seen).success
    assert not project.run("churn/prod").success


def test_a_key_that_does_not_count_is_refused_at_once(project: Project) -> None:
    project.run("churn")
    with pytest.raises(InvalidInputError, match="is none of them"):
        project.approve("other")


def test_there_is_a_kit_to_approve_and_a_digest_is_one(project: Project) -> None:
    with pytest.raises(NotFoundError, match="churn has no kit to approve"):
        project.approve()
    project.run("churn")
    with pytest.raises(InvalidInputError, match="'latest' is not a digest"):
        project.approve(digest="latest")

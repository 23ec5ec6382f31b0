"""A check looks at the very kits of its run and its partitions, and never at a neighbour's."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import QUIET, data_version

import kitops_core as kitops
from dagster_kitops import (
    KitOpsResource,
    ModelKit,
    ModelKitContents,
    ModelKitIOManager,
    digest_check,
    signature_check,
    signing_job,
)
from kitops_core.errors import InvalidInputError
from kitops_core.signing.keys import generate_key_pair

REGIONS = dg.StaticPartitionsDefinition(["eu", "us", "日本"])
HAS_PARTITIONED_CHECKS = "partitions_def" in dg.asset_check.__code__.co_varnames


class Project:
    """An asset of three partitions, what is downstream of all of them, and the checks in between."""

    def __init__(self, registry: str, instance: dg.DagsterInstance, directory: Path) -> None:
        self.instance = instance
        self.resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
        self.weights = b"first"
        self.ran: list[str] = []
        for name, data in zip(("release.key", "release.pub"), generate_key_pair(b""), strict=True):
            (directory / name).write_bytes(data)
        self.key = directory / "release.key"

        @dg.asset(io_manager_key="modelkit", partitions_def=REGIONS, backfill_policy=dg.BackfillPolicy.single_run())
        def regional(context):
            return {key: ModelKitContents(model=self.weights + key.encode()) for key in context.partition_keys}

        @dg.asset(deps=[regional])
        def report() -> None:
            self.ran.append("report")

        self.regional, self.report = regional, report
        self.checks = [signature_check(regional, [directory / "release.pub"])]

    @property
    def defs(self) -> dg.Definitions:
        checks = dg.AssetSelection.checks(*self.keys)
        return dg.Definitions(
            [self.regional, self.report],
            asset_checks=self.checks,
            jobs=[
                dg.define_asset_job("checks", selection=checks),
                dg.define_asset_job(
                    "report_checked",
                    selection=checks | dg.AssetSelection.assets(self.report),
                ),
                signing_job(self.regional, signer=str(self.key)),
            ],
            resources={"kitops": self.resource, "modelkit": ModelKitIOManager(kitops=self.resource)},
        )

    @property
    def keys(self) -> list[dg.AssetCheckKey]:
        return [key for check in self.checks for key in check.check_keys]

    def make(self, partition: str = "", *, ends: tuple[str, str] | None = None) -> Any:
        """Materialize partitions, with their checks."""
        tags = {}
        if ends is not None:
            tags = dict(
                zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), ends, strict=True)
            )
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[self.regional.key],
            partition_key=partition or None,
            tags=tags,
            run_config=QUIET,
            raise_on_error=False,
        )

    def job(self, name: str) -> Any:
        return self.defs.resolve_job_def(name).execute_in_process(
            instance=self.instance, run_config=QUIET, raise_on_error=False
        )

    def sign(self, partition: str) -> None:
        with self.resource.client(signer=str(self.key)) as client:
            client.sign(self.resource.reference("regional", tag=kitops_tag(partition)), where="registry")

    def move(self, partition: str, directory: Path) -> None:
        """Move a partition's tag from outside."""
        (directory / "other").write_bytes(b"from outside")
        target = self.resource.reference("regional", tag=kitops_tag(partition))
        kitops.pack(kitops.Contents(model=directory / "other"), target, push=True)


def kitops_tag(partition: str) -> str:
    from kitops_core.orchestrate.names import tag_of

    return tag_of(partition)


def said(result: Any) -> dg.AssetCheckEvaluation:
    (found,) = result.get_asset_check_evaluations()
    evaluation: dg.AssetCheckEvaluation = found
    return evaluation


@pytest.fixture
def project(registry: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    return Project(registry, instance, tmp_path)


def test_what_is_downstream_of_all_partitions_waits_until_all_are_signed(project: Project) -> None:
    for partition in REGIONS.get_partition_keys():
        project.make(partition)
    project.sign("日本")  # the latest
    assert not project.job("report_checked").success
    assert project.ran == []
    project.job("sign_regional")
    assert project.job("report_checked").success
    assert project.ran == ["report"]


def test_the_check_of_a_run_looks_at_its_own_partition(project: Project, instance: dg.DagsterInstance) -> None:
    project.make("us")
    project.sign("us")
    result = project.make("eu")  # not signed, and the check must not look at us
    assert not said(result).passed
    assert (said(result).description or "").startswith("eu: ")
    assert said(result).metadata["kitops/digest"].value == data_version(instance, "regional")


def test_a_tag_of_another_partition_that_was_moved_is_seen(project: Project, tmp_path: Path) -> None:
    project.checks = [digest_check(project.regional)]
    for partition in REGIONS.get_partition_keys():
        assert said(project.make(partition)).passed
    assert said(project.job("checks")).passed
    project.move("eu", tmp_path)
    found = said(project.job("checks"))
    assert not found.passed
    assert "eu: " in (found.description or "")
    assert "was moved to" in (found.description or "")


def test_a_run_for_a_range_is_looked_at_in_all_its_partitions(project: Project) -> None:
    project.checks = [digest_check(project.regional)]
    found = said(project.make(ends=("eu", "日本")))
    assert found.passed
    assert found.description == "all 3 kits passed"
    table = found.metadata["kitops/kits"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["partition"] for record in table.records] == ["eu", "us", "日本"]


def test_two_runs_of_one_asset_at_a_time_each_look_at_their_own_kit(
    registry: str, instance: dg.DagsterInstance
) -> None:
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    resources = {"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)}
    weights = [b"first"]

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=weights[0])

    @dg.op
    def nothing() -> None: ...

    @dg.asset_check(asset=churn, blocking=False)
    def another_run_packs_meanwhile(context) -> dg.AssetCheckResult:
        if weights == [b"first"]:
            weights[0] = b"second"
            dg.materialize([churn], instance=instance, resources=resources, run_config=QUIET)
        return dg.AssetCheckResult(passed=True)

    check = digest_check(churn, name="zz_after")
    defs = dg.Definitions([churn], asset_checks=[another_run_packs_meanwhile, check], resources=resources)
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False
    )
    (found,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "zz_after"]
    (made,) = result.asset_materializations_for_node("churn")
    assert found.metadata["kitops/digest"] == made.metadata["kitops/digest"]
    assert not found.passed  # the tag is the other run's by now


def test_a_run_that_made_no_kit_is_no_run_whose_check_passes(project: Project) -> None:
    project.checks = [digest_check(project.regional)]
    result = project.job("checks")
    assert not said(result).passed
    assert said(result).description == "regional has no kit yet"


def test_a_promotion_hears_what_was_said_of_each_kit_of_a_check(project: Project, tmp_path: Path) -> None:
    from dagster_kitops.versioning import check_of_digest

    project.checks = [digest_check(project.regional)]
    project.make(ends=("eu", "日本"))
    kits = {
        partition: project.resource.resolve(project.resource.reference("regional", tag=kitops_tag(partition)))
        for partition in REGIONS.get_partition_keys()
    }
    project.move("eu", tmp_path)
    project.job("checks")
    (key,) = project.keys
    heard = {partition: check_of_digest(project.instance, key, digest) for partition, digest in kits.items()}
    assert heard == {"eu": False, "us": True, "日本": True}


@pytest.mark.skipif(not HAS_PARTITIONED_CHECKS, reason="this Dagster has no checks with partitions")
def test_dagster_keeps_a_result_for_each_partition_where_that_is_asked_for(project: Project) -> None:
    project.checks = [digest_check(project.regional, partitions_def=REGIONS)]
    found = said(project.make("us"))
    assert found.passed
    assert found.partition == "us"


@pytest.mark.skipif(HAS_PARTITIONED_CHECKS, reason="this Dagster has checks with partitions")
def test_a_dagster_without_partitioned_checks_is_told_of(project: Project) -> None:
    with pytest.raises(InvalidInputError, match="has no checks with partitions"):
        digest_check(project.regional, partitions_def=REGIONS)


def test_what_a_check_takes_as_an_input_is_what_its_run_made(instance: dg.DagsterInstance) -> None:
    weights, seen = [b"mine", b"neighbour"], []

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=weights.pop(0))

    @dg.asset_check(asset=churn, blocking=True)
    def looked_at(churn: ModelKit) -> dg.AssetCheckResult:
        seen.append(churn.read("model.bin"))
        return dg.AssetCheckResult(passed=True)

    class BetweenTheSteps(ModelKitIOManager):
        """Has another run make the asset before the check of the first one looks."""

        def load_input(self, context: dg.InputContext) -> Any:
            if weights:
                assert materialize().success
            return super().load_input(context)

    def materialize(*checks: dg.AssetChecksDefinition) -> Any:
        resources = {"modelkit": BetweenTheSteps(kitops=KitOpsResource())}
        job = dg.Definitions([churn], asset_checks=checks, resources=resources).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=instance, run_config=QUIET)

    assert materialize(looked_at).success
    assert seen == [b"mine"]
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks(looked_at))
    resources = {"modelkit": ModelKitIOManager(kitops=KitOpsResource())}
    defs = dg.Definitions([churn], asset_checks=[looked_at], jobs=[alone], resources=resources)
    assert defs.resolve_job_def("alone").execute_in_process(instance=instance, run_config=QUIET).success
    assert seen == [b"mine", b"neighbour"]

"""A channel is an asset: stale while a candidate waits, promoted by digest, held back by checks and gates."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import QUIET, data_version, materialization, metadata

import kitops_core as kitops
from dagster_kitops import (
    KitOpsResource,
    ModelKit,
    ModelKitContents,
    ModelKitIOManager,
    PromotionConfig,
    RollbackConfig,
    digest_check,
    policy_check,
    promotion_asset,
    promotion_assets,
    rollback_job,
    signature_check,
    signing_job,
)
from dagster_kitops.checks import key_file
from kitops_core.signing.keys import generate_key_pair

POLICY = """
kit: {kit}
channels:
  staging: {{}}
  prod:
    from: staging
    gates:
      - metric: {{name: accuracy, min: 0.9}}
"""


class Project:
    """An asset ``churn``, the channels of a policy, and their checks."""

    def __init__(self, registry: str, instance: dg.DagsterInstance, directory: Path) -> None:
        self.instance = instance
        self.resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
        self.policy = directory / "promotion.yaml"
        self.policy.write_text(POLICY.format(kit=self.resource.reference("churn")))
        self.weights, self.accuracy = b"first", 0.95

        @dg.asset(io_manager_key="modelkit")
        def churn():
            return ModelKitContents(model=self.weights, metrics={"accuracy": self.accuracy})

        self.churn = churn
        self.assets: list[dg.AssetsDefinition] = promotion_assets(churn, self.policy)
        self.checks: list[dg.AssetChecksDefinition] = []
        self.jobs: list[Any] = []

    @property
    def defs(self) -> dg.Definitions:
        resources = {"kitops": self.resource, "modelkit": ModelKitIOManager(kitops=self.resource)}
        return dg.Definitions([self.churn, *self.assets], asset_checks=self.checks, jobs=self.jobs, resources=resources)

    def run(self, *keys: str, config: dict[str, Any] | None = None, raise_on_error: bool = True) -> Any:
        """Materialize assets with their checks."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
            run_config={**QUIET, "ops": config or {}},
            raise_on_error=raise_on_error,
        )

    def check_only(self, *keys: dg.AssetCheckKey) -> None:
        """Run checks, and no asset."""
        job = dg.define_asset_job("checks_only", selection=dg.AssetSelection.checks(*keys))
        defs = dg.Definitions.merge(self.defs, dg.Definitions(jobs=[job]))
        defs.resolve_job_def("checks_only").execute_in_process(
            instance=self.instance, run_config=QUIET, raise_on_error=False
        )

    def at(self, tag: str) -> str:
        """The digest a tag has in the registry."""
        return self.resource.resolve(self.resource.reference("churn", tag=tag))


@pytest.fixture
def project(registry: str, instance: dg.DagsterInstance, tmp_path: Path) -> Project:
    return Project(registry, instance, tmp_path)


def refusal(result: Any) -> str:
    """Why a run failed."""
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    return f"{failed.step_failure_data.error.message} {failed.step_failure_data.user_failure_data}"


def test_a_kit_goes_through_the_channels_by_digest(project: Project, instance: dg.DagsterInstance) -> None:
    project.run("churn", "churn/staging", "churn/prod")
    digest = data_version(instance, "churn")
    assert project.at("staging") == project.at("prod") == digest
    assert data_version(instance, "churn", "prod") == digest
    found = metadata(instance, "churn", "prod")
    assert found["kitops/digest"] == digest
    assert found["kitops/channel"] == "prod"
    assert found["kitops/reference"] == project.resource.reference("churn", tag="prod")
    table = materialization(instance, "churn", "prod").metadata["kitops/gates"]
    assert isinstance(table, dg.TableMetadataValue)
    assert all(row.data["passed"] for row in table.records)
    assert len(table.records) == 2
    (last, *_) = kitops.history("prod", policy=project.policy)
    assert (last.run.orchestrator, last.run.task) == ("dagster", "churn__prod")


def test_the_candidate_that_dagster_recorded_is_promoted_and_not_what_the_tag_means_now(
    project: Project, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    project.run("churn")
    (tmp_path / "other").write_bytes(b"from outside")
    kitops.pack(kitops.Contents(model=tmp_path / "other"), project.resource.reference("churn", tag="latest"), push=True)
    project.run("churn/staging")
    assert project.at("staging") == data_version(instance, "churn") != project.at("latest")


def test_a_refused_promotion_changes_nothing_and_says_why(project: Project, instance: dg.DagsterInstance) -> None:
    project.run("churn", "churn/staging", "churn/prod")
    first = project.at("prod")
    project.weights, project.accuracy = b"worse", 0.5
    project.run("churn", "churn/staging")
    result = project.run("churn/prod", raise_on_error=False)
    assert not result.success
    assert "accuracy" in refusal(result)
    assert project.at("prod") == data_version(instance, "churn", "prod") == first


def test_a_channel_with_no_candidate_says_so(project: Project) -> None:
    result = project.run("churn/staging", raise_on_error=False)
    assert "churn has no kit to promote" in refusal(result)


def test_what_can_be_done_about_an_error_is_in_the_log(project: Project, instance: dg.DagsterInstance) -> None:
    project.run("churn")
    project.policy.unlink()
    result = project.run("churn/staging", raise_on_error=False)
    with pytest.raises(kitops.NotFoundError) as caught:
        kitops.load_policy(project.policy)
    assert caught.value.hint
    assert any(caught.value.hint in entry.user_message for entry in instance.all_logs(result.run_id))


def test_a_person_names_the_kit_to_promote(project: Project, instance: dg.DagsterInstance) -> None:
    project.run("churn")
    first = data_version(instance, "churn")
    project.weights = b"second"
    project.run("churn")
    config = PromotionConfig(digest=first, note="the second is too slow").model_dump()
    project.run("churn/staging", config={"churn__staging": {"config": config}})
    assert project.at("staging") == first
    assert kitops.history("staging", policy=project.policy)[0].note == "the second is too slow"


def test_a_rollback_brings_the_kit_before_back(project: Project, instance: dg.DagsterInstance) -> None:
    staging = project.assets[0]
    project.jobs = [rollback_job(staging, "staging", policy=project.policy)]
    digests = []
    for weights in (b"first", b"second", b"third"):
        project.weights = weights
        project.run("churn", "churn/staging")
        digests.append(data_version(instance, "churn"))
    job = project.defs.resolve_job_def("rollback_staging")
    job.execute_in_process(instance=instance, run_config=QUIET)
    assert project.at("staging") == data_version(instance, "churn", "staging") == digests[1]
    assert metadata(instance, "churn", "staging")["kitops/action"] == "rollback"
    config = {"roll_back_staging": {"config": RollbackConfig(digest=digests[0]).model_dump()}}
    job.execute_in_process(instance=instance, run_config={**QUIET, "ops": config})
    assert project.at("staging") == data_version(instance, "churn", "staging") == digests[0]


def test_what_is_downstream_of_a_channel_loads_its_kit(project: Project, instance: dg.DagsterInstance) -> None:
    @dg.asset(ins={"kit": dg.AssetIn(["churn", "prod"])})
    def served(kit: ModelKit) -> str:
        return kit.reference

    project.assets.append(served)
    result = project.run("churn", "churn/staging", "churn/prod", "served")
    assert result.output_for_node("served").endswith(f"@{project.at('prod')}")


class Signed(Project):
    """A project whose kits must be signed before they are promoted."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        directory = self.policy.parent
        for name, data in zip(("release.key", "release.pub"), generate_key_pair(b""), strict=True):
            (directory / name).write_bytes(data)
        self.key = directory / "release.key"
        self.checks = [signature_check(self.churn, [directory / "release.pub"]), digest_check(self.churn)]
        self.assets = [promotion_asset(self.churn, "staging", policy=self.policy, checks=self.checks)]
        self.jobs = [signing_job(self.churn, signer=str(self.key))]
        self.check_keys = [key for check in self.checks for key in check.check_keys]

    def sign(self) -> None:
        kitops.pull(self.resource.reference("churn", tag="latest"))  # a copy here is not what is signed
        self.defs.resolve_job_def("sign_churn").execute_in_process(instance=self.instance, run_config=QUIET)


@pytest.fixture
def signed(registry: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signed:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    return Signed(registry, instance, tmp_path)


def test_a_kit_that_is_not_signed_is_not_promoted_in_the_same_run(signed: Signed) -> None:
    result = signed.run("churn", "churn/staging", raise_on_error=False)
    assert not result.success
    assert "churn__staging" not in {event.step_key for event in result.get_step_success_events()}


def test_nor_in_a_run_of_its_own(signed: Signed) -> None:
    signed.run("churn", raise_on_error=False)
    result = signed.run("churn/staging", raise_on_error=False)
    assert "check 'signature' failed on sha256:" in refusal(result)


def test_a_kit_that_was_signed_is_promoted_once_the_check_looked_again(
    signed: Signed, instance: dg.DagsterInstance
) -> None:
    signed.run("churn", raise_on_error=False)
    signed.sign()
    signed.check_only(*signed.check_keys)
    signed.run("churn/staging")
    assert signed.at("staging") == data_version(instance, "churn")


def test_what_a_check_said_of_another_digest_does_not_count(signed: Signed) -> None:
    signed.run("churn", raise_on_error=False)
    signed.sign()
    signed.check_only(*signed.check_keys)
    signed.weights = b"second"
    signed.checks = []  # this run packs and does not check
    signed.run("churn")
    result = signed.run("churn/staging", raise_on_error=False)
    assert "check 'signature' has not looked at sha256:" in refusal(result)


def test_a_tag_that_was_moved_fails_the_check(signed: Signed, tmp_path: Path) -> None:
    signed.run("churn", raise_on_error=False)
    (tmp_path / "other").write_bytes(b"from outside")
    kitops.pack(kitops.Contents(model=tmp_path / "other"), signed.resource.reference("churn", tag="latest"), push=True)
    signed.check_only(*signed.check_keys)
    result = signed.run("churn/staging", raise_on_error=False)
    assert "check 'digest' failed on" in refusal(result)


def test_a_policy_check_says_what_the_gates_would(project: Project, instance: dg.DagsterInstance) -> None:
    check = policy_check(project.churn, "prod", policy=project.policy)
    project.checks, project.accuracy = [check], 0.5
    project.run("churn", raise_on_error=False)
    (key,) = check.check_keys
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    assert record.event.dagster_event is not None
    said = record.event.dagster_event.asset_check_evaluation_data
    assert not said.passed, said.metadata
    assert "prod refuses it" in (said.description or "")
    assert said.metadata["kitops/digest"].value == data_version(instance, "churn")


def test_a_key_is_a_file_a_name_in_the_environment_or_its_text(tmp_path: Path) -> None:
    (tmp_path / "release.pub").touch()
    text = f"-----BEGIN PUBLIC KEY-----\n{'M' * 700}\n-----END PUBLIC KEY-----\n"
    assert key_file("release.pub", tmp_path) == key_file(Path("release.pub"), tmp_path) == tmp_path / "release.pub"
    assert key_file(tmp_path / "release.pub", Path("/")) == tmp_path / "release.pub"
    assert [key_file(key, tmp_path) for key in ("", "env://KEY", text)] == ["", "env://KEY", text]


def test_channels_stand_beside_their_candidate_and_say_whose_they_are(tmp_path: Path) -> None:
    """Of a key a graph shows the last part: with twenty models there are twenty assets that are called prod."""
    (tmp_path / "promotion.yaml").write_text(POLICY.format(kit="registry.example.com/ml/churn"))

    @dg.asset(group_name="retention")
    def churn(): ...

    shown = {
        asset.key.to_user_string(): (spec.group_name, spec.description)
        for asset in promotion_assets(churn, tmp_path / "promotion.yaml")
        for spec in asset.specs
    }
    assert shown == {
        "churn/staging": ("retention", "The kit of churn that channel staging has."),
        "churn/prod": ("retention", "The kit of churn/staging that channel prod has."),
    }
    spec = dg.AssetSpec("base", group_name="bought")
    (of_spec,) = promotion_asset(spec, "prod").specs
    (elsewhere,) = promotion_asset(churn, "prod", group_name="channels").specs
    (by_key,) = promotion_asset("churn", "prod").specs
    assert [each.group_name for each in (of_spec, elsewhere, by_key)] == ["bought", "channels", "default"]


def test_two_kits_may_have_a_channel_of_one_name(tmp_path: Path) -> None:
    """Dagster wants the names of ops, too, to be a code location's own."""
    (tmp_path / "promotion.yaml").write_text(POLICY.format(kit="registry.example.com/ml/churn"))
    policy = tmp_path / "promotion.yaml"
    channels = [promotion_asset(kit, "prod", policy=policy) for kit in ("churn", "fraud")]
    jobs = [
        rollback_job(channel, "prod", policy=policy, name=f"rollback_{channel.key.path[0]}") for channel in channels
    ]
    resources = {"kitops": KitOpsResource(), "modelkit": ModelKitIOManager(kitops=KitOpsResource())}
    repository = dg.Definitions(channels, jobs=jobs, resources=resources).get_repository_def()
    dg.Definitions.validate_loadable(dg.Definitions(channels, jobs=jobs, resources=resources))
    assert {"rollback_churn", "rollback_fraud"} < set(repository.job_names)

"""All kits of a policy by one job: what moved is reported, and what did not fails the run and nothing else."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from runs import QUIET, data_version, metadata

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager, promote_all_job, promotion_assets

POLICY = """
kits: [{kits}]
channels:
  dev: {{}}
  staging: {{from: dev}}
  prod:
    from: staging
    gates:
      - metric: {{name: accuracy, min: 0.9}}
"""


class Team:
    """Assets ``churn``, good enough for prod, and ``fraud``, which is not; both packed into the channel dev."""

    def __init__(self, registry: str, instance: dg.DagsterInstance, directory: Path) -> None:
        self.instance = instance
        self.resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
        self.policy = directory / "promotion.yaml"
        self.kits = {name: self.resource.reference(name) for name in ("churn", "fraud")}
        self.policy.write_text(POLICY.format(kits=", ".join(self.kits.values())))
        self.assets: list[Any] = [_packed("churn", 0.95), _packed("fraud", 0.5)]
        self.channels = [one for name in self.kits for one in self._channels(name)]

    def _channels(self, name: str) -> list[dg.AssetsDefinition]:
        single = self.policy.with_name(f"{name}.yaml")
        single.write_text(
            self.policy.read_text().replace(f"kits: [{', '.join(self.kits.values())}]", f"kit: {self.kits[name]}")
        )
        (asset,) = [each for each in self.assets if each.key.path == [name]]
        return promotion_assets(asset, single, to=["staging", "prod"])

    def defs(self, *jobs: dg.JobDefinition) -> dg.Definitions:
        resources = {"kitops": self.resource, "modelkit": ModelKitIOManager(kitops=self.resource, tags=["dev"])}
        return dg.Definitions([*self.assets, *self.channels], jobs=jobs, resources=resources)

    def pack(self) -> None:
        job = self.defs().resolve_implicit_global_asset_job_def()
        keys = [asset.key for asset in self.assets]
        job.execute_in_process(instance=self.instance, asset_selection=keys, run_config=QUIET)

    def run(self, job: dg.JobDefinition) -> dg.ExecuteInProcessResult:
        found = self.defs(job).resolve_job_def(job.name)
        return found.execute_in_process(instance=self.instance, run_config=QUIET, raise_on_error=False)

    def stale(self, *key: str) -> bool:
        graph = self.defs().resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        status: StaleStatus = resolver.get_status(dg.AssetKey(key))
        return status is StaleStatus.STALE


def _packed(name: str, accuracy: float) -> dg.AssetsDefinition:
    @dg.asset(name=name, io_manager_key="modelkit")
    def packed():
        return ModelKitContents(model=name.encode(), metrics={"accuracy": accuracy})

    return packed


@pytest.fixture
def team(registry: str, instance: dg.DagsterInstance, tmp_path: Path) -> Team:
    team = Team(registry, instance, tmp_path)
    team.pack()
    return team


def moved(result: dg.ExecuteInProcessResult) -> list[str]:
    return [event.asset_key.to_user_string() for event in result.all_events if event.is_step_materialization]


def failure(result: dg.ExecuteInProcessResult) -> Any:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    return failed.step_failure_data.user_failure_data


def test_what_moved_is_reported_and_what_a_gate_refuses_fails_the_run_only(
    team: Team, instance: dg.DagsterInstance
) -> None:
    done = team.run(promote_all_job(team.policy))
    assert moved(done) == ["churn/staging", "churn/prod", "fraud/staging"]
    assert not done.success
    first, line = failure(done).description.splitlines()
    assert first == "1 of 4 channels went wrong"
    assert line.startswith(f"prod of {team.kits['fraud']} refused: accuracy ≥ 0.90 (0.5")
    (row,) = failure(done).metadata["kitops/outcomes"].records
    assert row.data["outcome"] == "refused"
    assert data_version(instance, "churn", "prod") == data_version(instance, "churn")
    found = metadata(instance, "churn", "prod")
    assert found["kitops/channel"] == "prod"
    assert found["kitops/reference"] == team.resource.reference("churn", tag="prod")
    assert not team.stale("churn", "staging")
    assert not team.stale("churn", "prod")


def test_what_stays_is_not_reported_and_a_refusal_may_be_no_failure(team: Team) -> None:
    job = promote_all_job(team.policy, skip_refused=True)
    assert team.run(job).success
    again = team.run(job)
    assert again.success
    assert moved(again) == []


def test_a_kit_that_fails_stops_no_other(team: Team) -> None:
    with_gone = team.policy.read_text().replace(team.kits["fraud"], "127.0.0.1:9/team/gone")
    team.policy.write_text(with_gone)
    team.resource = KitOpsResource(registry=team.resource.registry, keep_trying=0, backoff=0.01)
    done = team.run(promote_all_job(team.policy))
    assert moved(done) == ["churn/staging", "churn/prod"]
    assert failure(done).description.count("127.0.0.1:9/team/gone failed: ") == 2


def test_records_name_the_run_and_a_kit_may_be_of_another_asset(team: Team) -> None:
    job = promote_all_job(team.policy, to=["staging"], candidates={team.kits["churn"]: dg.AssetKey(["ml", "churn"])})
    done = team.run(job)
    assert done.success
    assert moved(done) == ["ml/churn/staging", "fraud/staging"]
    (record,) = kitops.history(team.resource.reference("churn", tag="staging"))
    assert (record.run.orchestrator, record.run.pipeline, record.run.run) == ("dagster", "promote_all", done.run_id)


def test_a_channel_that_is_not_there_is_said_as_the_code_is_loaded(team: Team) -> None:
    with pytest.raises(kitops.NotFoundError, match="no channel 'prdo'"):
        promote_all_job(team.policy, to=["prdo"])

"""A candidate that waits: a channel that was rolled back is stale, and a schedule skips what is not ready."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from runs import QUIET, data_version
from test_promotion import Project

from dagster_kitops import digest_check, promotion_assets, promotion_schedule, rollback_job


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance on disk, as a schedule's context asks for."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def project(registry: str, instance: dg.DagsterInstance, tmp_path: Path) -> Project:
    return Project(registry, instance, tmp_path)


def stale(project: Project, *key: str) -> bool:
    resolver = CachingStaleStatusResolver(
        project.instance, project.defs.resolve_asset_graph(), LoadingContextForTest(project.instance)
    )
    status: StaleStatus = resolver.get_status(dg.AssetKey(key))
    return status is StaleStatus.STALE


@pytest.mark.parametrize("by_key", [False, True])
def test_a_channel_that_was_rolled_back_is_stale(project: Project, by_key: bool) -> None:
    staging = project.assets[0]
    project.jobs = [rollback_job(staging.key if by_key else staging, "staging", policy=project.policy)]
    for weights in (b"first", b"second"):
        project.weights = weights
        project.run("churn", "churn/staging")
    assert not stale(project, "churn", "staging")
    project.defs.resolve_job_def("rollback_staging").execute_in_process(instance=project.instance, run_config=QUIET)
    assert stale(project, "churn", "staging")
    project.run("churn/staging")
    assert not stale(project, "churn", "staging")


def tick(project: Project, schedule: dg.ScheduleDefinition) -> Any:
    with dg.build_schedule_context(
        project.instance,
        resources={"kitops": project.resource},
        scheduled_execution_time=datetime(2026, 11, 30, 6, tzinfo=timezone.utc),
        repository_def=dg.Definitions.merge(project.defs, dg.Definitions(schedules=[schedule])).get_repository_def(),
    ) as context:
        return schedule.evaluate_tick(context)


def test_a_schedule_skips_until_there_is_something_to_promote(project: Project) -> None:
    check = digest_check(project.churn)
    project.assets = promotion_assets(project.churn, project.policy, checks=[check])
    schedule = promotion_schedule(project.churn, project.policy, cron_schedule="0 * * * *", checks=[check])
    assert "staging: churn has no kit yet" in tick(project, schedule).skip_message
    project.run("churn")
    assert "check 'digest' has not looked at sha256:" in tick(project, schedule).skip_message
    project.checks = [check]
    project.run("churn")
    (request,) = tick(project, schedule).run_requests
    assert [key.path for key in request.asset_selection] == [["churn", "staging"], ["churn", "prod"]]
    project.run("churn/staging", "churn/prod")
    assert "staging: it has sha256:" in tick(project, schedule).skip_message


def test_a_run_of_the_schedule_leaves_out_what_a_gate_refuses(project: Project) -> None:
    project.accuracy = 0.5
    project.run("churn")
    schedule = promotion_schedule(project.churn, project.policy, cron_schedule="0 * * * *")
    (request,) = tick(project, schedule).run_requests
    result = project.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=project.instance, asset_selection=request.asset_selection, tags=request.tags, run_config=QUIET
    )
    assert result.success
    assert project.at("staging") == data_version(project.instance, "churn")
    assert project.instance.get_latest_materialization_event(dg.AssetKey(["churn", "prod"])) is None
    said = [entry.user_message for entry in project.instance.all_logs(result.run_id)]
    assert any("prod waits: " in message and "accuracy" in message for message in said)
    assert "prod: " in tick(project, schedule).skip_message  # and every hour from now on

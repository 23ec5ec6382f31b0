"""Retention: what channels no longer need goes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import client
from promotions import QUICK, Project, new_project

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.promotion.retention import Prunable

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path, registry: str) -> Project:
    project = new_project(tmp_path / "project", registry)
    project.channels(dev={}, prod={"from": "dev", "retention": {"keep": 2}, "version_tags": ["v{version}"]})
    return project


def promote_all(project: Project, *versions: str) -> list[str]:
    digests = []
    for version in versions:
        digests.append(project.pack(version, "dev"))
        project.promote("dev", "prod")
    return digests


def prune(project: Project, **options: bool) -> list[Prunable]:
    return client(registries=Registries(others=QUICK)).prune(policy=project.policy, **options)


def there(project: Project, digest: str) -> bool:
    return project.digest(f"{project.kit}@{digest}") != ""


def test_nothing_is_removed_unless_asked_for(project: Project) -> None:
    oldest, *_ = promote_all(project, "1.0", "2.0", "3.0")
    (found,) = prune(project)
    assert (found.digest, found.channel, found.removed) == (oldest, "prod", False)
    assert there(project, oldest)


def test_the_last_ones_stay_and_the_history_can_still_be_read(project: Project) -> None:
    oldest, older, newest = promote_all(project, "1.0", "2.0", "3.0")
    assert [kit.digest for kit in prune(project, dry_run=False)] == [oldest]
    assert [there(project, digest) for digest in (oldest, older, newest)] == [False, True, True]
    assert project.digest(f"{project.kit}:v1.0") == ""
    records = kitops.history("prod", policy=project.policy)
    assert [record.digest for record in records] == [newest, older, oldest]
    assert project.rollback("prod").digest == older
    assert prune(project) == []


def test_what_another_tag_points_at_stays(project: Project) -> None:
    promote_all(project, "1.0", "2.0", "3.0")
    kitops.tag(f"{project.kit}:v1.0", ["golden"], where="registry")
    assert prune(project) == []


def test_what_another_channel_has_or_had_stays(project: Project) -> None:
    project.channels(dev={}, staging={"from": "dev"}, prod={"from": "staging", "retention": {"keep": 1}})
    for version in ("1.0", "2.0"):
        project.pack(version, "dev")
        project.promote("dev", "staging")
        project.promote("staging", "prod")
    assert prune(project) == []


def test_what_a_kit_that_stays_was_made_from_stays(project: Project) -> None:
    oldest, *_ = promote_all(project, "1.0", "2.0")
    project.pack("3.0", "dev", provenance=kitops.Provenance(inputs=[f"{project.kit}@{oldest}"]))
    project.promote("dev", "prod")
    assert prune(project) == []


def test_what_a_kit_with_a_tag_of_its_own_was_made_from_stays(project: Project) -> None:
    oldest, *_ = promote_all(project, "1.0", "2.0", "3.0")
    made = kitops.Provenance(inputs=[f"{project.kit}@{oldest}"])
    project.pack("tuned", "experiment", provenance=made)
    assert prune(project) == []


def test_a_kit_whose_version_tag_cannot_be_told_stays_with_the_tags_it_has(project: Project) -> None:
    retention = {"from": "dev", "retention": {"keep": 2}}
    project.channels(dev={}, prod=retention)
    oldest, *_ = promote_all(project, "''", "2.0", "3.0")
    project.channels(dev={}, prod={**retention, "version_tags": ["v{version}"]})
    assert [kit.digest for kit in prune(project)] == [oldest]
    kitops.tag(f"{project.kit}@{oldest}", ["golden"], where="registry")
    assert prune(project) == []


def test_a_channel_without_retention_keeps_everything(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev"})
    promote_all(project, "1.0", "2.0", "3.0")
    assert prune(project) == []
    with pytest.raises(kitops.NotFoundError, match="prd"):
        kitops.prune("prd", policy=project.policy)

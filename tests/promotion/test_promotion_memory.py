"""What a channel had is there and known afterwards: on registries that drop what has no tag, and in every race."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from interleaved import interleaved
from promotions import QUICK, Project, new_project
from referrers_server import referrers_server

import kitops_core as kitops
from kitops_core.oci.own_tags import kept_tag
from kitops_core.storage.registry import RegistryOptions, RegistryRepository

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture
def project(tmp_path: Path, dropping_registry: str) -> Project:
    project = new_project(tmp_path / "project", dropping_registry)
    project.channels(dev={}, prod={"from": "dev", "retention": {"keep": 2}})
    return project


@pytest.fixture
def promoted(project: Project) -> list[str]:
    """The digests of three kits that came into ``prod`` one after the other."""
    digests = []
    for version in ("1.0", "2.0", "3.0"):
        digests.append(project.pack(version, "dev"))
        project.promote("dev", "prod")
    return digests


def history(project: Project) -> list[kitops.PromotionRecord]:
    return project.client().history("prod", policy=project.policy)


def repository(project: Project) -> RegistryRepository:
    registry, _, name = project.kit.partition("/")
    return RegistryRepository(registry, name, QUICK)


def test_a_rollback_finds_what_the_channel_had(project: Project, promoted: list[str]) -> None:
    assert project.rollback("prod").digest == promoted[1]
    assert project.rollback("prod").digest == promoted[0]
    assert [record.digest for record in history(project)] == [promoted[0], promoted[1], *promoted[::-1]]


def test_a_kit_of_the_other_repository_of_a_channel_keeps_a_name_there(project: Project, tmp_path: Path) -> None:
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}-prod"})
    digests = []
    for version in ("1.0", "2.0"):
        digests.append(project.pack(version, "dev"))
        project.promote("dev", "prod")
    assert [project.digest(f"{project.kit}-prod@{digest}") for digest in digests] == digests
    assert project.rollback("prod").digest == digests[0]


def test_pruning_removes_the_kit_with_its_name_and_the_history_stays_whole(
    project: Project, promoted: list[str]
) -> None:
    (removed,) = project.client().prune(policy=project.policy, dry_run=False)
    assert removed.digest == promoted[0]
    assert project.digest(f"{project.kit}@{promoted[0]}") == ""
    assert project.digest(f"{project.kit}:{kept_tag(promoted[0])}") == ""
    records = history(project)
    assert [record.digest for record in records] == promoted[::-1]
    assert [record.gap for record in records] == ["", "", ""]


def test_what_was_pushed_and_never_promoted_goes_by_the_retention_of_the_channel_it_was_pushed_to(
    project: Project,
) -> None:
    project.channels(dev={"retention": {"keep": 1}}, prod={"from": "dev"})
    provenance = kitops.Provenance(metrics={"accuracy": 0.9})
    digests = [project.pack(version, "dev", provenance=provenance) for version in ("1.0", "2.0", "3.0", "4.0")]
    project.promote(f"{project.kit}@{digests[1]}", "prod")
    undated = project.pack("5.0", "other")
    client = project.client()
    client.remove(f"{project.kit}:other", where="registry")
    gone = {kit.digest for kit in client.prune(policy=project.policy, dry_run=False)}
    assert gone == {digests[0], digests[2]}
    assert project.digest(f"{project.kit}@{undated}") == undated


def test_what_something_else_put_into_the_channel_is_there_after_the_next_promotion(
    project: Project, promoted: list[str]
) -> None:
    stranger = project.pack("9.9", "stranger")
    other = repository(project)
    other._manifests.put(other._manifests.fetch(stranger), "prod")
    other.untag("stranger")
    other.untag(kept_tag(stranger))
    state = project.client().channels(project.policy)[1]
    assert (state.digest, state.drift, state.unrecorded) == (stranger, promoted[2], True)
    fourth = project.pack("4.0", "dev")
    project.promote("dev", "prod")
    newest, *older = history(project)
    assert (newest.digest, newest.previous_digest, newest.drift) == (fourth, stranger, promoted[2])
    assert [record.digest for record in older] == promoted[::-1]
    assert project.digest(f"{project.kit}@{stranger}") == stranger


def test_a_tag_that_something_else_moved_back_is_drift(project: Project, promoted: list[str]) -> None:
    other = repository(project)
    other._manifests.put(other._manifests.fetch(promoted[0]), "prod")
    state = project.client().channels(project.policy)[1]
    assert (state.digest, state.drift) == (promoted[0], promoted[2])
    assert [record.digest for record in history(project)] == promoted[::-1]


def test_a_promotion_after_something_else_moved_the_tag_back_is_the_one_after_our_last(
    project: Project, promoted: list[str]
) -> None:
    other = repository(project)
    other._manifests.put(other._manifests.fetch(promoted[0]), "prod")
    project.promote("dev", "prod")
    newest, *older = history(project)
    assert (newest.digest, newest.previous_digest, newest.drift) == (promoted[2], promoted[0], promoted[2])
    assert [record.digest for record in older] == promoted[::-1]
    assert not any(record.overwritten for record in [newest, *older])


def test_the_history_goes_on_after_something_else_removed_the_tag(project: Project, promoted: list[str]) -> None:
    repository(project).untag("prod")
    assert project.client().channels(project.policy)[1].drift == promoted[2]
    fourth = project.pack("4.0", "dev")
    assert project.promote("dev", "prod", expect="absent").previous_digest == ""
    assert [record.digest for record in history(project)] == [fourth, *promoted[::-1]]
    assert project.rollback("prod").digest == promoted[2]


def test_a_record_that_the_registry_lost_is_named_as_a_gap(project: Project, promoted: list[str]) -> None:
    newest, middle, oldest = history(project)
    repository(project).delete(middle.record)
    found = history(project)
    assert [(record.digest, bool(record.gap)) for record in found] == [(promoted[2], True), (promoted[0], False)]
    assert middle.record in found[0].gap
    assert [record.record for record in found] == [newest.record, oldest.record]


@pytest.mark.parametrize(
    ("api", "elsewhere", "expected"),
    [
        (True, "", [16, 16, 16]),  # the log tells that the kit is kept
        (True, "-prod", [22, 22, 22]),
        (False, "", [21, 21, 21]),  # the list is verified; and what it left out is found by the tags
        (False, "-prod", [28, 28, 28]),
    ],
)
def test_a_promotion_asks_the_registry_no_more_than_it_has_to(
    tmp_path: Path, api: bool, elsewhere: str, expected: list[int]
) -> None:
    with interleaved(api=api, drops_untagged=False) as model:
        project = new_project(tmp_path / "project", "127.0.0.1:1")
        project.pack("1.0", "dev")
        project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}{elsewhere}"})
        costs = []
        for version in ("1.0", "2.0", "3.0"):
            project.pack(version, "dev")
            before = model.requests
            project.promote("dev", "prod")
            costs.append(model.requests - before)
    assert costs == expected


def test_all_that_is_sent_into_another_repository_of_the_registry_is_the_record(
    tmp_path: Path, either_faults: FaultProxy
) -> None:
    project = new_project(tmp_path / "project", either_faults.address)
    gates = [{"metric": {"name": "accuracy", "min": 0.9}}]
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}-prod", "gates": gates})
    project.pack("1.0", "dev", provenance=kitops.Provenance(metrics={"accuracy": 0.9}))
    either_faults.seen.clear()
    project.promote("dev", "prod")
    assert either_faults.count("HEAD", "/blobs/") == 0
    assert either_faults.count("PUT", "/blobs/") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["docker-registry", "drops what has no tag"])
def test_of_eight_processes_at_once_whose_clocks_differ_all_that_ended_well_are_in_the_history(
    tmp_path: Path, registry: str, kind: str
) -> None:
    with referrers_server(drops_untagged=True, api=False) as server:
        project = new_project(tmp_path / "project", registry if kind == "docker-registry" else server.address)
        project.options = RegistryOptions(settle=1.0)
        project.channels(dev={}, prod={"from": "dev"})
        digests = [project.pack(f"{number}.0", "dev") for number in range(8)]
        ended_well = []
        for turn in range(3):
            processes = {
                f"{turn}-{number}": promote_with_a_wrong_clock(project, digest, f"{turn}-{number}", 37 * (number - 4))
                for number, digest in enumerate(digests)
            }
            for process in processes.values():
                out, err = process.communicate(timeout=120)
                assert process.returncode in (0, 10), err
                if process.returncode == 0 and json.loads(out)["changed"]:
                    ended_well.append(json.loads(out)["record"])
        records = history(project)
        assert ended_well
        assert {*ended_well} <= {record.record for record in records if not record.overwritten}
        assert [record.gap for record in records if record.gap] == []
        for digest in {record.digest for record in records}:
            assert project.rollback("prod", to=digest, dry_run=True).digest == digest
        state = project.client().channels(project.policy)[1]
        assert (state.drift, state.unrecorded) == ("", False)


def promote_with_a_wrong_clock(project: Project, digest: str, note: str, seconds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wrong_clock", str(seconds), "promote", f"{project.kit}@{digest}", "--to", "prod"]
    return subprocess.Popen(
        [*command, "--policy", str(project.policy), "--note", note, "--json"],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

"""Promotion: a digest moves through channels, is recorded, and goes back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from promotions import QUICK, Project, new_project
from signing_tools import new_key

import kitops_core as kitops
from kitops_core import Registries, Source


@pytest.fixture(params=["registry", pytest.param("referrers_registry", marks=pytest.mark.slow)])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    """A project in a registry that keeps referrers under a tag, and in one that has the referrers API."""
    project = new_project(tmp_path / "project", request.getfixturevalue(request.param))
    project.channels(dev={}, staging={"from": "dev"}, prod={"from": "staging"})
    return project


def test_a_kit_moves_by_digest_from_channel_to_channel(project: Project) -> None:
    digest = project.pack("1.0", "dev")
    staging = project.promote("dev", "staging")
    assert (staging.digest, staging.previous_digest, staging.changed) == (digest, "", True)
    prod = project.promote("", "prod")
    assert prod.digest == digest
    assert project.digest(f"{project.kit}:prod") == digest
    assert prod.reference == f"{project.kit}:prod@{digest}"


def test_what_a_channel_has_already_is_not_promoted_again(project: Project) -> None:
    project.pack("1.0", "dev")
    project.promote("dev", "staging")
    again = project.promote("dev", "staging")
    assert (again.changed, again.record) == (False, "")
    assert len(kitops.history("staging", policy=project.policy)) == 1


def test_the_history_is_read_back_from_the_registry(project: Project) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging", how={"run": Source(actor="ada")}, note="first")
    second = project.pack("2.0", "dev")
    project.promote("dev", "staging", how={"run": Source(actor="bob")})
    newest, oldest = kitops.history("staging", policy=project.policy)
    assert (newest.digest, newest.previous_digest, newest.actor) == (second, first, "bob")
    assert (oldest.digest, oldest.previous_digest, oldest.actor, oldest.note) == (first, "", "ada", "first")
    assert oldest.source == f"{project.kit}:dev@{first}"
    assert [record.record for record in kitops.history(f"{project.kit}@{first}")] == [oldest.record]


def test_a_rollback_promotes_the_kit_before_and_a_second_one_goes_one_further_back(project: Project) -> None:
    digests = []
    for version in ("1.0", "2.0", "3.0"):
        digests.append(project.pack(version, "dev"))
        project.promote("dev", "staging")
    back = project.rollback("staging")
    assert (back.action, back.digest, back.previous_digest) == ("rollback", digests[1], digests[2])
    assert project.rollback("staging").digest == digests[0]
    with pytest.raises(kitops.NotFoundError, match="nothing to go back to"):
        project.rollback("staging")
    actions = [record.action for record in kitops.history("staging", policy=project.policy)]
    assert actions == ["rollback", "rollback", "promote", "promote", "promote"]


def test_a_rollback_can_name_the_digest_to_go_back_to(project: Project) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging")
    for version in ("2.0", "3.0"):
        project.pack(version, "dev")
        project.promote("dev", "staging")
    assert project.rollback("staging", to=first).digest == first
    with pytest.raises(kitops.NotFoundError, match=r"no record says that sha256:0+ was in staging"):
        project.rollback("staging", to="sha256:" + "0" * 64)


def test_a_dry_run_shows_the_plan_and_changes_nothing(project: Project) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging")
    project.pack("2.0", "dev")
    plan = project.promote("dev", "staging", dry_run=True)
    assert plan.dry_run
    assert plan.diff is not None
    assert [change.path for change in plan.diff.layers] == ["model.bin"]
    assert project.digest(f"{project.kit}:staging") == first
    assert len(kitops.history("staging", policy=project.policy)) == 1


def test_a_kit_that_is_not_in_the_upstream_is_refused(project: Project) -> None:
    digest = project.pack("1.0", "dev")
    with pytest.raises(kitops.GateRefusedError, match="staging") as refused:
        project.promote(f"{project.kit}:dev", "prod")
    assert refused.value.promotion is not None
    assert [gate.kind for gate in refused.value.promotion.refused] == ["upstream"]
    assert project.digest(f"{project.kit}:prod") == ""
    assert digest


def test_a_kit_that_was_rolled_back_from_the_upstream_is_refused(project: Project) -> None:
    project.pack("1.0", "dev")
    project.promote("dev", "staging")
    bad = project.pack("2.0", "dev")
    project.promote("dev", "staging")
    project.rollback("staging")
    with pytest.raises(kitops.GateRefusedError):
        project.promote(f"{project.kit}@{bad}", "prod")


def test_expect_says_what_the_channel_must_have(project: Project) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging", expect="absent")
    project.pack("2.0", "dev")
    with pytest.raises(kitops.LostRaceError) as lost:
        project.promote("dev", "staging", expect="absent")
    assert lost.value.found == first
    assert project.promote("dev", "staging", expect=first).changed
    with pytest.raises(kitops.InvalidInputError, match="expected to have"):
        project.promote("dev", "staging", expect="nothing")


def test_a_tag_that_something_else_moved_is_seen_named_and_recorded(project: Project) -> None:
    first = project.pack("1.0", "dev", "1.0")
    project.promote("dev", "staging")
    stranger = project.pack("9.9", "staging")
    state = kitops.channels(project.policy)[1]
    assert (state.digest, state.drift, state.record) == (stranger, first, None)
    project.pack("2.0", "dev", "2.0")
    project.promote("dev", "staging")
    newest, oldest = kitops.history("staging", policy=project.policy)
    assert (newest.previous_digest, newest.drift, oldest.digest) == (stranger, first, first)


def test_the_history_is_found_again_after_something_else_moved_the_tag_off_a_kit_without_another_tag(
    project: Project,
) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging")
    second = project.pack("2.0", "dev")
    project.promote("dev", "staging")
    stranger = project.pack("9.9", "dev", "staging")
    state = kitops.channels(project.policy)[1]
    assert (state.digest, state.unrecorded, state.record) == (stranger, True, None)
    if state.drift:  # with the referrers API nobody can list what has no tag; the digest is known from elsewhere
        assert state.drift == second
        assert project.rollback("staging", dry_run=True).digest == second
    back = project.rollback("staging", to=second)
    assert (back.digest, back.previous_digest) == (second, stranger)
    records = kitops.history("staging", policy=project.policy)
    assert [record.digest for record in records] == [second, second, first]
    assert project.rollback("staging").digest == first


def test_a_record_that_would_not_count_is_refused_before_anything_is_done(project: Project) -> None:
    trusted, other = new_key("release.key"), new_key("other.key")
    (project.root / "release.pub").write_bytes(trusted.public.pem)
    project.write({"trust": {"keys": ["release.pub"]}, "channels": {"dev": {}, "staging": {"from": "dev"}}})
    digest = project.pack("1.0", "dev")
    assert project.promote("dev", "staging", dry_run=True).digest == digest
    for key in (None, other):
        with pytest.raises(kitops.InvalidInputError, match=r"only counts when release\.pub signed it"):
            project.promote("dev", "staging", how={"signer": key})
    assert project.digest(f"{project.kit}:staging") == ""
    assert project.promote("dev", "staging", how={"signer": trusted}).changed
    project.pack("2.0", "dev")
    project.promote("dev", "staging", how={"signer": trusted})
    with pytest.raises(kitops.InvalidInputError, match=r"other\.key is none of them"):
        project.rollback("staging", how={"signer": other})


def test_a_record_that_came_along_from_another_repository_says_nothing_about_the_channel_here(
    project: Project, tmp_path: Path
) -> None:
    digest = project.pack("1.0", "dev")
    project.promote("dev", "staging")
    other = new_project(tmp_path / "other", project.kit.partition("/")[0])
    other.channels(dev={}, staging={"from": "dev"}, prod={"from": "staging"})
    kitops.copy(f"{project.kit}@{digest}", f"{other.kit}:staging", where="registry", referrers=True)
    assert kitops.history("staging", policy=other.policy) == []
    with pytest.raises(kitops.GateRefusedError, match="no record says that it was promoted there"):
        other.promote("staging", "prod")


def test_the_channels_show_what_is_where_and_what_waits(project: Project) -> None:
    first = project.pack("1.0", "dev")
    project.promote("dev", "staging")
    second = project.pack("2.0", "dev")
    dev, staging, prod = kitops.channels(project.policy)
    assert (dev.digest, dev.waiting, dev.kit["version"]) == (second, "", "2.0")
    assert (staging.digest, staging.waiting) == (first, second)
    assert (prod.digest, prod.waiting, prod.record) == ("", first, None)


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(project: Project) -> None:
    digests = [project.pack("1.0", "dev", "a"), project.pack("2.0", "dev", "b")]
    barrier = threading.Barrier(2)
    outcomes: dict[str, object] = {}
    options = kitops.RegistryOptions(settle=0.5)

    def run(tag: str) -> None:
        barrier.wait()
        try:
            outcomes[tag] = project.promote(
                f"{project.kit}:{tag}", "staging", how={"registries": Registries(others=options)}
            )
        except kitops.LostRaceError as error:
            outcomes[tag] = error

    threads = [threading.Thread(target=run, args=[tag]) for tag in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes.values() if not isinstance(outcome, kitops.LostRaceError)]
    # Where one was done before the other looked, it came second and not at once: then both went through in a row.
    final = project.digest(f"{project.kit}:staging")
    assert final in digests
    records = [record for record in kitops.history("staging", policy=project.policy) if not record.overwritten]
    assert sorted(record.record for record in records) == sorted(getattr(winner, "record", "") for winner in winners)
    assert any(getattr(winner, "digest", "") == final for winner in winners)


def test_a_version_tag_is_given_along_and_never_moved(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev", "version_tags": ["v{version}"]})
    first = project.pack("1.0", "dev")
    assert project.promote("dev", "prod").tags == ("v1.0",)
    assert project.digest(f"{project.kit}:v1.0") == first
    (project.root / "bundle" / "extra.txt").write_text("other\n")
    project.pack("1.0.1", "dev", "v1.0.1")
    project.pack("1.0.2", "v2")
    other = project.pack("2.0", "dev")
    project.pack("3.0", "v2.0")
    with pytest.raises(kitops.GateRefusedError, match=r"v2\.0"):
        project.promote("dev", "prod")
    assert project.digest(f"{project.kit}:prod") == first
    assert other


def test_channels_work_in_the_local_store_with_no_server(tmp_path: Path) -> None:
    project = new_project(tmp_path, "unused")
    project.kit = "churn"
    project.channels(dev={}, prod={"from": "dev"})
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.bin").write_text("1\n")
    first = kitops.pack(bundle, "churn:dev").digest
    assert project.promote("dev", "prod").digest == first
    (bundle / "model.bin").write_text("2\n")
    second = kitops.pack(bundle, "churn:dev").digest
    assert project.promote("dev", "prod").previous_digest == first
    assert project.rollback("prod").digest == first
    assert [record.digest for record in kitops.history("prod", policy=project.policy)] == [first, second, first]


def test_a_cancelled_promotion_leaves_the_tag(project: Project) -> None:
    project.pack("1.0", "dev")
    cancel = kitops.Cancel()
    cancel.cancel()
    with pytest.raises(kitops.CancelledError):
        project.promote("dev", "staging", how={"cancel": cancel})
    assert project.digest(f"{project.kit}:staging") == ""


def test_a_name_that_is_no_channel_and_no_kit_is_named_as_both(project: Project) -> None:
    with pytest.raises(
        kitops.NotFoundError, match="no channel 'stagin', and no kit stagin in the local store"
    ) as error:
        project.promote("stagin", "prod")
    assert "dev, staging, prod" in error.value.hint


def test_what_is_missing_is_said(project: Project) -> None:
    with pytest.raises(kitops.NotFoundError, match="channel 'dev' has no kit"):
        project.promote("dev", "staging")
    with pytest.raises(kitops.NotFoundError, match="prd"):
        project.promote("dev", "prd")
    with pytest.raises(kitops.InvalidInputError, match="has no upstream"):
        project.promote("", "dev")
    with pytest.raises(kitops.NotFoundError, match="nowhere"):
        project.promote(f"{project.kit}:nowhere", "staging", how={"registries": Registries(others=QUICK)})

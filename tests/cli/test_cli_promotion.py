"""The commands that promote: answers, exit codes, and what is said on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit, ok
from promotions import PASSWORD, Project, new_project

import kitops_core as kitops

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COSIGN_PASSWORD", PASSWORD.decode())
    monkeypatch.setenv("KITOPS_ACTOR", "ada")
    project = new_project(tmp_path / "project", registry)
    project.key("risk")
    project.channels(
        dev={},
        staging={"from": "dev", "gates": [{"license": {"allow": ["Apache-2.0"]}}]},
        prod={"from": "staging", "approvals": {"keys": ["risk.pub"]}, "retention": {"keep": 1}},
    )
    monkeypatch.chdir(project.root)
    return project


def test_the_plan_shows_gates_and_what_differs(project: Project) -> None:
    first = project.pack("1.0", "dev")
    ok("promote", "dev", "--to", "staging")
    second = project.pack("2.0", "dev")
    plan = ok("promote", "dev", "--to", "staging", "--dry-run")
    assert f"{first} → {second}" in plan.out
    assert "1 changed" in plan.out
    assert "package.version 1.0 → 2.0" in plan.out
    assert "✓" in plan.out
    assert "nothing was changed" in plan.out


def test_a_refusal_shows_every_gate_and_exits_with_9(project: Project) -> None:
    project.pack("1.0", "dev")
    ok("promote", "dev", "--to", "staging")
    refused = kit("promote", "--to", "prod")
    assert refused.code == 9
    assert "✗ approved by risk.pub" in refused.out
    assert "refused: 1 of 2 gates" in refused.out
    assert "prod refuses sha256:" in refused.err
    as_json = kit("promote", "--to", "prod", "--json")
    assert (as_json.code, as_json.json["refused"], as_json.json["changed"]) == (9, True, False)


def test_an_approval_opens_the_gate_and_the_record_is_signed(project: Project) -> None:
    digest = project.pack("1.0", "dev")
    ok("promote", "dev", "--to", "staging")
    assert digest in ok("approve", "--to", "prod", "--sign-key", "risk.key").out
    promoted = ok("promote", "--to", "prod", "--sign-key", "risk.key", "--note", "go", "--json").json
    assert (promoted["digest"], promoted["changed"], promoted["channel"]) == (digest, True, "prod")
    (record,) = ok("history", "prod", "--json").json
    assert (record["actor"], record["note"], record["record"]) == ("ada", "go", promoted["record"])
    assert kit("verify", f"{project.kit}:prod", "--type", "promotion", "--key", "risk.pub", "--remote").code == 0
    assert "ada" in ok("history", "prod").out


def test_an_approval_that_would_not_count_is_refused(project: Project) -> None:
    project.pack("1.0", "dev")
    ok("promote", "dev", "--to", "staging")
    project.key("other")
    stranger = kit("approve", "--to", "prod", "--sign-key", "other.key")
    assert (stranger.code, "takes approvals by risk.pub, and other.key is none of them" in stranger.err) == (3, True)
    nobody = kit("approve", "--to", "staging", "--sign-key", "risk.key")
    assert (nobody.code, "'staging' asks for no approvals" in nobody.err) == (3, True)
    assert kit("referrers", f"{project.kit}:staging", "--remote").out.count("approval") == 0


def test_a_lost_race_a_missing_channel_and_a_bad_policy_have_codes_of_their_own(project: Project) -> None:
    project.pack("1.0", "dev")
    assert kit("promote", "dev", "--to", "staging", "--expect", "sha256:" + "0" * 64).code == 10
    missing = kit("promote", "dev", "--to", "stagin")
    assert (missing.code, "did you mean 'staging'?" in missing.err) == (4, True)
    assert kit("promote", "dev", "--to", "staging", "--policy", "nowhere.yaml").code == 4
    project.policy.write_text("kit: [")
    assert kit("promote", "dev", "--to", "staging").code == 3


def test_channels_rollback_and_prune(project: Project) -> None:
    first = project.pack("1.0", "dev")
    ok("promote", "dev", "--to", "staging")
    second = project.pack("2.0", "dev")
    ok("promote", "dev", "--to", "staging")
    shown = ok("channels").out
    assert second in shown
    assert "(empty)" in shown
    back = ok("rollback", "staging").out
    assert "rolled back" in back
    assert first in back
    kitops.tag(f"{project.kit}@{second}", ["staging"], where="registry")
    assert f"is not {first}" in ok("channels").err
    stranger = project.pack("9.0", "staging")
    drifted = ok("channels")
    assert "something else moved" in drifted.err
    assert f"{stranger} (drift)" in drifted.out
    assert "0 ModelKits" in ok("prune").out


def test_the_schema_is_printed_for_editors(project: Project) -> None:
    assert ok("channels", "--schema").json["$schema"].startswith("https://json-schema.org/draft/2020-12/")

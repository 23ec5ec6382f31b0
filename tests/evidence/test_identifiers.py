"""What this project coins stands under its own name, and what was written before under another is still read."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promotion_world import NOW, RELEASE, World

import kitops_core
from kitops_core.evidence.identifiers import HOME, current, forms
from kitops_core.evidence.predicate_types import APPROVAL, PROMOTION, predicate_name, resolve_predicate_type
from kitops_core.evidence.slsa import LOCAL_BUILDER, Provenance, provenance_predicate, says_build
from kitops_core.evidence.statements import read_evidence
from kitops_core.evidence.verification import VerificationPolicy, check
from kitops_core.promotion.gates.signed import approval_predicate
from kitops_core.promotion.history import channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.records import PromotionRecord
from kitops_core.record import Source
from kitops_core.session import Session

BEFORE = "https://kitops.org/"
DAY = timedelta(days=1)


def test_nothing_that_is_written_stands_on_the_domain_of_another_project() -> None:
    written = (APPROVAL, PROMOTION, LOCAL_BUILDER)
    assert {name.startswith(HOME) for name in written} == {True}
    root = Path(kitops_core.__file__).parent
    named = [
        path.name for path in root.rglob("*.py") if re.search(r"https://(kitops\.org|kitops\.ml)", path.read_text())
    ]
    assert named == ["identifiers.py"]


@given(st.sampled_from(["attestation/approval/v1", "attestation/promotion/v1", "build/pack/v1", "builder/airflow/v1"]))
def test_both_forms_of_an_identifier_are_one(name: str) -> None:
    assert current(BEFORE + name) == HOME + name == current(HOME + name)
    assert forms(BEFORE + name) == (HOME + name, BEFORE + name) == forms(HOME + name)


@pytest.mark.parametrize(
    "name", ["", BEFORE, f"{BEFORE}docs", f"{HOME}docs", "https://slsa.dev/provenance/v1", "urn:x"]
)
def test_what_is_not_ours_is_left_alone(name: str) -> None:
    assert current(name) == name
    assert forms(name) == (name,)


def test_a_type_may_be_asked_for_by_what_it_was_called_before() -> None:
    before = f"{BEFORE}attestation/promotion/v1"
    assert resolve_predicate_type(before) == PROMOTION == resolve_predicate_type("promotion")
    assert predicate_name(before) == "promotion"


@pytest.mark.parametrize("written", [f"{BEFORE}attestation/approval/v1", APPROVAL])
def test_a_signed_statement_of_either_form_is_found_and_verifies(written: str, world: World) -> None:
    digest = world.attest(written, {"channel": "prod"}, key=RELEASE)
    found = world.find(world.digest)
    (evidence,) = read_evidence(found.storage, world.digest, predicate_type=APPROVAL)
    assert (evidence.digest, evidence.predicate_type) == (digest, APPROVAL)
    assert evidence.statement is not None
    assert evidence.statement.predicate_type == written  # as it was signed
    policy = VerificationPolicy(keys=(RELEASE.public,), predicate_type=resolve_predicate_type(written))
    assert check(found.storage, world.digest, policy).evidence == (digest,)


def test_an_approval_of_before_counts(world: World) -> None:
    said = approval_predicate("prod", time="2026-03-01T12:00:00Z")
    world.attest(f"{BEFORE}attestation/approval/v1", said, key=RELEASE)
    policy = world.policy("prod: {approvals: {keys: [release.pub], needed: 1}}")
    assert [result.passed for result in world.ask_all(policy, "prod")] == [True]


def test_a_record_of_before_is_part_of_a_channels_history(world: World) -> None:
    record = PromotionRecord(action="promote", channel="dev", digest=world.digest, time=NOW - DAY, target="churn:dev")
    written = world.attest(f"{BEFORE}attestation/promotion/v1", record.to_predicate(), key=RELEASE)
    with Places(Session()) as places:
        assert [item.record for item in channel_history(world.policy("dev: {}"), "dev", places).records] == [written]


@pytest.mark.parametrize("builder", [f"{BEFORE}builder/airflow/v1", f"{HOME}builder/airflow/v1"])
@pytest.mark.parametrize("asked", ["builder/airflow/v1", "builder/*", "*/airflow/v1"])
@pytest.mark.parametrize("where", [BEFORE, HOME])
def test_a_policy_may_name_a_builder_by_either_form(builder: str, asked: str, where: str, world: World) -> None:
    world.built(builder=builder)
    assert world.ask(f"provenance: {{builder: '{where}{asked}'}}").passed
    assert not world.ask(f"provenance: {{builder: '{where}builder/prefect/v1'}}").passed


def test_a_build_that_was_stated_before_is_not_stated_again() -> None:
    new = provenance_predicate(Provenance(commit="b" * 40), Source("airflow", "train", "run-1"), [])
    before = {
        **new,
        "buildDefinition": {**new["buildDefinition"], "buildType": f"{BEFORE}build/pack/v1"},
        "runDetails": {**new["runDetails"], "builder": {"id": f"{BEFORE}builder/airflow/v1"}},
    }
    assert says_build([before], new) == 0
    assert says_build([{**before, "runDetails": "?"}], new) is None

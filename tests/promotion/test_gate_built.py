"""Gates ``provenance`` and ``age``: who made the kit, from what, and when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promotion_world import NOW, RELEASE, STRANGER, World

import kitops_core as kitops
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.promotion.gates.built import _matches

DAY = timedelta(days=1)
TRUST = "trust: {keys: [release.pub]}"


@pytest.mark.parametrize(
    ("conditions", "refusal"),
    [
        ("", ""),
        ("builder: 'https://ci.example.com/*'", ""),
        ("builder: 'https://ci.example.com/runner/7'", ""),
        ("builder: 'https://ci.example.com/'", "built by https://ci.example.com/runner/7"),
        ("builder: 'https://other.example.com/*'", "built by https://ci.example.com/runner/7"),
        ("repository: 'https://git.example.com/ml/*'", ""),
        ("repository: 'https://git.example.com/other/*'", "from https://git.example.com/ml/churn"),
        ("builder: '*example*runner*'", ""),
        ("builder: '*runner*example*'", "built by https://ci.example.com/runner/7"),
        ("builder: 'https://ci.example.com/runner/?'", "built by https://ci.example.com/runner/7"),
        ("builder: 'https://ci.example.com/runner/7*7'", "built by https://ci.example.com/runner/7"),
        ("builder: 'https://ci.example.com/*', repository: 'https://git.example.com/*/churn', clean: true", ""),
    ],
)
def test_builder_and_repository_are_compared_whole(conditions: str, refusal: str, world: World) -> None:
    attached = world.built(dirty=False)
    result = world.ask(f"provenance: {{{conditions}}}")
    assert (result.passed, result.evidence) == (not refusal, (attached,))
    if refusal:
        assert result.detail == refusal


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_star_stands_for_anything(pattern: str, text: str) -> None:
    assert _matches(text, pattern) == bool(re.fullmatch(pattern.replace("*", ".*"), text))


@pytest.mark.parametrize(
    ("build", "refusal"),
    [({"dirty": True}, "the git tree had changes"), ({}, "does not say whether the git tree was clean")],
)
def test_a_tree_that_was_not_clean_or_may_not_have_been_is_refused(
    build: dict[str, bool], refusal: str, world: World
) -> None:
    world.built(**build)
    assert world.ask("provenance: {clean: true}").detail == refusal


def test_one_provenance_must_meet_all_conditions(world: World) -> None:
    gate = "provenance: {builder: 'https://ci.example.com/*', clean: true}"
    world.built(dirty=True)
    world.built(builder="https://laptop.example.com", dirty=False)
    result = world.ask(gate)
    assert not result.passed
    assert sorted(result.detail.split("; ")) == ["built by https://laptop.example.com", "the git tree had changes"]
    world.built(dirty=False)
    assert world.ask(gate).passed


def test_a_kit_without_provenance_is_refused(world: World) -> None:
    result = world.ask("provenance: {}")
    assert (result.passed, result.name, result.detail) == (
        False,
        "has provenance",
        "no provenance is attached",
    )


def test_where_trust_is_set_only_provenance_of_its_keys_counts(world: World) -> None:
    world.built()
    world.built(key=STRANGER)
    assert not world.ask("provenance: {}", head=TRUST).passed
    assert not world.ask("age: {max: 7d}", head=TRUST).passed
    world.built(key=RELEASE)
    assert world.ask("provenance: {}", head=TRUST).passed
    assert world.ask("age: {max: 7d}", head=TRUST).passed


@pytest.mark.parametrize("predicate", [{}, {"runDetails": []}, {"runDetails": {"builder": {"id": 7}}}])
def test_provenance_that_is_not_as_its_format_says_meets_no_condition(predicate: object, world: World) -> None:
    world.attest(SLSA_PROVENANCE, predicate)
    assert world.ask("provenance: {builder: '*x*'}").detail == "built by nobody it names"
    assert world.ask("provenance: {clean: true}").detail == "names no git commit"
    assert world.ask("age: {max: 7d}").detail == "its provenance does not say when it was finished"


@pytest.mark.parametrize(
    ("bounds", "passes"),
    [("max: 2d", True), ("max: 36h", True), ("max: 35h", False), ("min: 36h", True), ("min: 37h, max: 7d", False)],
)
def test_age_is_the_time_since_the_provenance_says_it_was_made(bounds: str, passes: bool, world: World) -> None:
    world.built(ago=timedelta(hours=36))
    result = world.ask(f"age: {{{bounds}}}")
    assert (result.passed, result.detail) == (passes, "made 36h ago")


def test_a_kit_that_was_made_again_is_as_old_as_when_it_was_first_made(world: World) -> None:
    world.built(ago=10 * DAY)
    world.built(ago=DAY)
    assert not world.ask("age: {max: 7d}").passed


def test_a_kit_from_the_future_is_refused(world: World) -> None:
    world.built(ago=-DAY)
    assert world.ask("age: {max: 7d}").detail == "its provenance is dated in the future: 2026-03-02T12:00:00Z"


def test_clocks_may_differ_by_a_little(world: World) -> None:
    world.built(ago=timedelta(seconds=-10))
    assert world.ask("age: {max: 7d}").passed


def test_without_provenance_the_time_in_the_manifest_counts_unless_signatures_are_asked_for(world: World) -> None:
    assert world.ask("age: {max: 7d}").detail == "no provenance is attached"
    digest = stamped(world, NOW - DAY)
    assert world.ask("age: {max: 7d}", digest=digest).detail == "made 24h ago"
    assert not world.ask("age: {max: 7d}", digest=digest, head=TRUST).passed


def stamped(world: World, created: datetime) -> str:
    return kitops.pack(world.directory / "kit", "churn:stamped", how=kitops.Packing(created=created)).digest

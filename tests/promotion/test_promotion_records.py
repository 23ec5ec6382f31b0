"""Records of promotions: written and read back, and followed from one to the one before."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promotion_world import NOW, RELEASE, STRANGER, World

from kitops_core.errors import IntegrityError
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.evidence.statement import parse_statement, statement_for
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.history import channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.records import PromotionRecord, parse_record, records_of
from kitops_core.record import Source
from kitops_core.session import Session

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HOUR = timedelta(hours=1)


def evidence(predicate: Any, digest: str = DIGEST) -> Evidence:
    statement = parse_statement(statement_for(digest, PROMOTION, predicate).to_json(), "a test")
    return Evidence(OTHER, DIGEST, "", PROMOTION, statement)


def test_a_record_is_read_back_as_it_was_written() -> None:
    record = PromotionRecord(
        action="rollback",
        channel="prod",
        digest=DIGEST,
        time=NOW,
        previous_digest=OTHER,
        number=7,
        previous_record=DIGEST,
        source="registry.example.com/ml/churn:1.0",
        target="registry.prod.example.com/ml/churn:prod",
        actor="ann",
        note="as discussed",
        gates=(GateResult("signed by release.pub", True, "", "signed", (OTHER,)),),
        run=Source(orchestrator="airflow", pipeline="release", run="7"),
        policy_digest=OTHER,
        drift=DIGEST,
        record=OTHER,
        signed_by="release.pub",
    )
    assert parse_record(evidence(record.to_predicate()), signed_by="release.pub") == record
    assert record.to_dict()["time"] == "2026-03-01T12:00:00Z"


@given(
    st.builds(
        PromotionRecord,
        action=st.sampled_from(["promote", "rollback"]),
        channel=st.text(st.characters(codec="utf-8"), min_size=1),
        digest=st.just(DIGEST),
        time=st.datetimes(timezones=st.just(timezone.utc)),
        previous_digest=st.sampled_from(["", OTHER]),
        number=st.integers(1, 2**53),
        previous_record=st.sampled_from(["", OTHER]),
        note=st.text(st.characters(codec="utf-8")),
        record=st.just(OTHER),
    )
)
def test_any_record_is_read_back(record: PromotionRecord) -> None:
    assert parse_record(evidence(record.to_predicate())) == record


GOOD = {"action": "promote", "channel": "prod", "digest": DIGEST, "number": 1, "time": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize(
    "change",
    [
        {"action": "delete"},
        {"action": ["promote"]},
        {"channel": ""},
        {"channel": 7},
        {"time": "yesterday"},
        {"time": 0},
        {"digest": OTHER},
        {"previousDigest": "prod"},
        {"previousRecord": "prod"},
        {"number": 0},
        {"number": "1"},
        {"number": True},
        {"drift": "prod"},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="the promotion record"):
        parse_record(evidence(GOOD | change))


def test_a_record_about_another_kit_is_refused() -> None:
    with pytest.raises(IntegrityError, match="about another kit"):
        parse_record(evidence(GOOD, OTHER))


def test_what_only_people_read_may_be_anything() -> None:
    change = {"actor": 7, "gates": [7, {"name": "x", "passed": "yes"}], "run": [], "from": "x"}
    record = parse_record(evidence(GOOD | change))
    assert (record.actor, record.gates, record.source) == ("", (GateResult("x", False),), "")


def test_records_are_listed_by_channel_and_key_the_last_move_first(world: World) -> None:
    world.promoted("dev", world.digest, ago=3 * HOUR, key=RELEASE)
    world.promoted("prod", world.digest, ago=HOUR, key=RELEASE)
    world.promoted("prod", world.digest, ago=2 * HOUR, key=STRANGER)
    found = read_evidence(world.find("dev").storage, world.digest)
    assert [(r.channel, r.number) for r in records_of(found, world.digest, (), "prod")] == [("prod", 2), ("prod", 1)]
    (record,) = records_of(found, world.digest, (RELEASE.public,), "prod")
    assert (record.time, record.signed_by) == (NOW - HOUR, "release.key")


def history(world: World) -> list[PromotionRecord]:
    policy = world.policy("dev: {}\nprod: {from: dev}")
    with Session() as session, Places(session) as places:
        return [*channel_history(policy, "prod", places).records]


@pytest.mark.parametrize("hours", [[8, 7, 6, 5], [5, 6, 7, 8], [8, 5, 7, 6]], ids=str)
def test_a_history_follows_the_links_back_through_kits_that_came_again_whatever_the_clocks_say(
    world: World, hours: list[int]
) -> None:
    other = world.pack("other weights")
    moves = [(world.digest, ""), (other, world.digest), (world.digest, other), (other, world.digest)]
    for age, (digest, previous) in zip(hours, moves, strict=True):
        world.promoted("prod", digest, ago=age * HOUR, previous=previous)
    records = history(world)
    assert [(record.digest, record.previous_digest) for record in records] == moves[::-1]
    assert [record.time for record in records] == [NOW - age * HOUR for age in reversed(hours)]
    assert not any(record.gap or record.overwritten for record in records)


def test_a_history_that_goes_round_in_a_circle_ends(world: World) -> None:
    other = world.pack("other weights")
    world.promoted("prod", world.digest, ago=HOUR, previous=other, number=2, previous_record=OTHER)
    world.promoted("prod", other, ago=HOUR, previous=world.digest, number=2)
    (record,) = history(world)
    assert (record.digest, bool(record.gap)) == (other, True)


def test_a_history_names_the_record_that_is_gone(world: World) -> None:
    other, third = world.pack("other weights"), world.pack("third weights")
    world.promoted("prod", world.digest, ago=3 * HOUR)
    gone = world.promoted("prod", other, ago=2 * HOUR, previous=world.digest)
    world.promoted("prod", third, ago=HOUR, previous=other)
    world.find("prod").storage.delete(gone)
    (record,) = history(world)
    assert record.digest == third
    assert gone in record.gap
    assert other in record.gap


def test_another_record_of_the_same_move_stands_in_for_one_that_is_gone(world: World) -> None:
    other = world.pack("other weights")
    gone = world.promoted("prod", world.digest, ago=3 * HOUR)
    world.promoted("prod", world.digest, ago=3 * HOUR, number=1, note="at the same time")
    world.promoted("prod", other, ago=HOUR, previous=world.digest, previous_record=gone)
    world.find("prod").storage.delete(gone)
    newest, oldest = history(world)
    assert (newest.digest, oldest.digest, oldest.note, newest.gap) == (other, world.digest, "at the same time", "")

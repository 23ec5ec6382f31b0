"""Records of promotions: written and read back, and followed from one to the one before."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
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
from kitops_core.promotion.records import PromotionRecord, parse_record, records_of, walk_records
from kitops_core.record import Source

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
        note=st.text(st.characters(codec="utf-8")),
        record=st.just(OTHER),
    )
)
def test_any_record_is_read_back(record: PromotionRecord) -> None:
    assert parse_record(evidence(record.to_predicate())) == record


GOOD = {"action": "promote", "channel": "prod", "digest": DIGEST, "time": "2026-03-01T12:00:00Z"}


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


def test_records_are_listed_newest_first_by_channel_and_key(world: World) -> None:
    world.promoted("dev", world.digest, ago=3 * HOUR, key=RELEASE)
    world.promoted("prod", world.digest, ago=2 * HOUR, key=RELEASE)
    world.promoted("prod", world.digest, ago=HOUR, key=STRANGER)
    found = read_evidence(world.find("dev").storage, world.digest)
    assert [r.channel for r in records_of(found, world.digest, ())] == ["prod", "prod", "dev"]
    (record,) = records_of(found, world.digest, (RELEASE.public,), "prod")
    assert (record.time, record.signed_by) == (NOW - 2 * HOUR, "release.key")


def test_a_history_is_followed_back_through_kits_that_came_again(world: World) -> None:
    other = world.pack("other weights")
    moves = [(world.digest, ""), (other, world.digest), (world.digest, other), (other, world.digest)]
    for age, (digest, previous) in enumerate(moves):
        world.promoted("prod", digest, ago=(9 - age) * HOUR, previous=previous)
    storage = world.find("prod").storage
    history = list(walk_records(lambda digest: read_evidence(storage, digest), "prod", other, ()))
    assert [(record.digest, record.previous_digest) for record in history] == moves[::-1]
    assert history[-1].time == datetime(2026, 3, 1, 3, tzinfo=timezone.utc)


def test_a_history_that_goes_round_in_a_circle_ends(world: World) -> None:
    other = world.pack("other weights")
    world.promoted("prod", world.digest, ago=HOUR, previous=other)
    world.promoted("prod", other, ago=HOUR, previous=world.digest)
    storage = world.find("prod").storage
    assert len(list(walk_records(lambda digest: read_evidence(storage, digest), "prod", other, ()))) == 2

"""Gates ``upstream`` and ``soak``: the way a kit came, read back from the records of its promotions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from promotion_world import NOW, RELEASE, STRANGER, World

import kitops_core as kitops
from kitops_core.evidence.predicate_types import PROMOTION
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.policy import PromotionPolicy

HOUR = timedelta(hours=1)
CHANNELS = "dev: {}\nstaging: {from: dev}\nprod: {from: staging, soak: 24h}\nfast: {from: dev, soak: 24h}"
TRUST = "trust: {keys: [release.pub]}"


@pytest.fixture
def policy(world: World) -> PromotionPolicy:
    return world.policy(CHANNELS)


def upstream(world: World, policy: PromotionPolicy, channel: str = "prod", digest: str = "") -> GateResult:
    return world.ask_all(policy, channel, digest=digest)[0]


def soak(world: World, policy: PromotionPolicy, channel: str = "prod", digest: str = "") -> GateResult:
    return world.ask_all(policy, channel, digest=digest)[-1]


def test_what_the_upstream_channel_has_now_passes(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=HOUR)
    result = upstream(world, policy)
    assert (result.passed, result.name, result.detail) == (True, "comes from staging", "is there now")


def test_an_empty_upstream_channel_refuses(world: World, policy: PromotionPolicy) -> None:
    assert upstream(world, policy).detail == "staging is empty"


def test_what_was_never_in_the_upstream_channel_is_refused(world: World, policy: PromotionPolicy) -> None:
    other = world.pack("other weights")
    world.promoted("staging", other, ago=HOUR)
    assert upstream(world, policy).detail == "no record says that it was in staging"


def test_what_was_there_and_was_replaced_passes(world: World, policy: PromotionPolicy) -> None:
    other, third = world.pack("other weights"), world.pack("third weights")
    record = world.promoted("staging", world.digest, ago=9 * HOUR)
    world.promoted("staging", other, ago=5 * HOUR, previous=world.digest)
    world.promoted("staging", third, ago=HOUR, previous=other)
    result = upstream(world, policy)
    assert (result.passed, result.evidence) == (True, (record,))


def test_what_was_rolled_back_there_is_refused_until_it_comes_again(world: World, policy: PromotionPolicy) -> None:
    other = world.pack("other weights")
    world.promoted("staging", other, ago=9 * HOUR)
    world.promoted("staging", world.digest, ago=5 * HOUR, previous=other)
    world.promoted("staging", other, ago=4 * HOUR, previous=world.digest, action="rollback")
    assert not upstream(world, policy).passed
    assert "rolled back since" in upstream(world, policy).detail
    third = world.pack("third weights")
    world.promoted("staging", third, ago=3 * HOUR, previous=other)
    assert not upstream(world, policy).passed
    assert upstream(world, policy, digest=other).passed
    world.promoted("staging", world.digest, ago=2 * HOUR, previous=third)
    assert upstream(world, policy).passed


def test_a_record_that_the_channels_history_does_not_lead_to_does_not_count(
    world: World, policy: PromotionPolicy
) -> None:
    other = world.pack("other weights")
    world.promoted("staging", world.digest, ago=5 * HOUR)
    world.promoted("staging", other, ago=4 * HOUR)
    assert not upstream(world, policy).passed


def test_the_history_goes_on_where_something_else_had_moved_the_tag(world: World, policy: PromotionPolicy) -> None:
    other, foreign = world.pack("other weights"), world.pack("foreign weights")
    world.promoted("staging", world.digest, ago=5 * HOUR)
    world.promoted("staging", other, ago=4 * HOUR, previous=foreign, drift=world.digest)
    assert upstream(world, policy).passed


def test_a_record_of_another_channel_does_not_count(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=30 * HOUR)
    world.find(world.digest).storage.untag("staging")
    other = world.pack("other weights", "staging")
    world.promoted("dev", world.digest, ago=30 * HOUR, previous=other)
    assert not upstream(world, policy).passed


def test_an_entry_channel_is_entered_by_a_push(world: World, policy: PromotionPolicy) -> None:
    assert upstream(world, policy, "staging").detail == "is there now"
    world.pack("other weights")
    assert upstream(world, policy, "staging").detail == "is in localhost/churn"
    world.find("dev").storage.untag("dev")
    assert upstream(world, policy, "staging").passed, "a kit may be in the repository without the channel's tag"


def test_a_kit_of_another_repository_did_not_come_through_the_entry_channel(world: World) -> None:
    policy = world.policy("dev: {target: elsewhere}\nstaging: {from: dev}")
    result = upstream(world, policy, "staging")
    assert (result.passed, result.detail) == (False, "found in local store localhost/churn, and elsewhere:dev is empty")
    kitops.pack(world.directory / "kit", "elsewhere:dev")
    assert upstream(world, policy, "staging").detail == "is there now"
    (world.directory / "kit" / "model.bin").write_text("other weights")
    kitops.pack(world.directory / "kit", "elsewhere:dev")
    assert upstream(world, policy, "staging").detail == "is in localhost/elsewhere"
    other = world.pack("third weights")
    assert not upstream(world, policy, "staging", digest=other).passed


def test_a_kit_that_soaked_long_enough_passes(world: World, policy: PromotionPolicy) -> None:
    record = world.promoted("staging", world.digest, ago=26 * HOUR)
    result = soak(world, policy)
    assert (result.passed, result.name, result.detail) == (True, "soaked in staging for 24h", "26h")
    assert result.evidence == (record,)


def test_a_kit_that_did_not_soak_long_enough_is_told_how_long_it_did(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=timedelta(hours=3, minutes=12))
    result = soak(world, policy)
    assert (result.passed, result.detail) == (False, "3h 12m so far")


def test_the_time_since_it_came_again_counts(world: World, policy: PromotionPolicy) -> None:
    other = world.pack("other weights")
    world.promoted("staging", world.digest, ago=90 * HOUR)
    world.promoted("staging", other, ago=80 * HOUR, previous=world.digest)
    world.promoted("staging", world.digest, ago=2 * HOUR, previous=other)
    assert soak(world, policy).detail == "2h so far"


def test_a_record_that_moved_nothing_does_not_start_the_clock_again(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=90 * HOUR)
    world.promoted("staging", world.digest, ago=2 * HOUR, previous=world.digest)
    assert soak(world, policy).passed


def test_only_the_time_it_was_there_counts(world: World, policy: PromotionPolicy) -> None:
    other = world.pack("other weights")
    world.promoted("staging", world.digest, ago=90 * HOUR)
    world.promoted("staging", other, ago=80 * HOUR, previous=world.digest)
    assert soak(world, policy).detail == "only 10h, then replaced"


def test_a_kit_that_was_rolled_back_does_not_soak(world: World, policy: PromotionPolicy) -> None:
    other = world.pack("other weights")
    world.promoted("staging", other, ago=99 * HOUR)
    world.promoted("staging", world.digest, ago=90 * HOUR, previous=other)
    world.promoted("staging", other, ago=10 * HOUR, previous=world.digest, action="rollback")
    assert soak(world, policy).detail == "rolled back in staging"


def test_without_a_record_nobody_knows_how_long(world: World, policy: PromotionPolicy) -> None:
    world.pack("weights", "staging")
    assert soak(world, policy).detail == "no record says when it came to staging"


def test_a_tag_that_was_moved_past_the_gates_of_the_upstream_is_not_enough(
    world: World, policy: PromotionPolicy
) -> None:
    world.pack("weights", "staging")
    assert not upstream(world, policy).passed
    assert upstream(world, policy).detail == "is there now, and no record says that it was promoted there"


def test_a_record_from_the_future_refuses(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=-HOUR)
    assert "dated in the future: 2026-03-01T13:00:00Z" in soak(world, policy).detail


def test_in_an_entry_channel_the_provenance_starts_the_clock(world: World, policy: PromotionPolicy) -> None:
    assert soak(world, policy, "fast").detail == "no provenance is attached"
    world.built(ago=3 * HOUR)
    assert soak(world, policy, "fast").detail == "3h so far"
    world.promoted("dev", world.digest, ago=30 * HOUR)
    assert soak(world, policy, "fast").passed


def test_where_trust_is_set_only_records_of_its_keys_count(world: World) -> None:
    policy = world.policy(CHANNELS, TRUST)
    world.promoted("staging", world.digest, ago=99 * HOUR)
    world.promoted("staging", world.digest, ago=98 * HOUR, key=STRANGER)
    assert soak(world, policy).detail == "no record says when it came to staging"
    world.promoted("staging", world.digest, ago=30 * HOUR, key=RELEASE)
    assert soak(world, policy).detail == "30h"


def test_a_trusted_record_of_another_kit_does_not_count_where_it_is_replayed(world: World) -> None:
    policy = world.policy(CHANNELS, TRUST)
    other = world.pack("other weights")
    world.promoted("staging", world.digest, ago=HOUR, key=RELEASE)
    said = {"action": "promote", "channel": "staging", "digest": world.digest, "time": "2026-01-01T00:00:00Z"}
    world.attest(PROMOTION, said, key=RELEASE, about=other)
    world.attest(PROMOTION, said | {"digest": other}, key=RELEASE)
    assert soak(world, policy).detail == "1h so far"


def test_now_is_asked_once_for_all_gates(world: World, policy: PromotionPolicy) -> None:
    world.promoted("staging", world.digest, ago=HOUR)
    later = world.ask_all(policy, "prod", now=NOW + 24 * HOUR)
    assert later[-1].detail == "25h"

"""Gate ``metric``: the newest figure that counts, exactly compared."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promotion_world import RELEASE, STRANGER, World

from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.promotion.gates.metric import number_text

HOUR = timedelta(hours=1)
MIN = "metric: {name: accuracy, min: 0.90}"
WORSE = "metric: {name: accuracy, min: 0.90, not_worse_than: prod, by: 0.01}"
TRUST = "trust: {keys: [release.pub]}"


def test_a_figure_within_bounds_passes_and_is_told_as_people_would(world: World) -> None:
    result_digest = world.measure(0.941)
    result = world.ask(MIN)
    assert (result.passed, result.name, result.evidence) == (True, "accuracy 0.941 ≥ 0.90", (result_digest,))


@pytest.mark.parametrize(
    ("bounds", "passes"),
    [("min: 0.9", True), ("min: 0.91", False), ("max: 0.9", True), ("max: 0.89", False), ("min: 0.5, max: 1", True)],
)
def test_bounds_belong_to_what_passes(bounds: str, passes: bool, world: World) -> None:
    world.measure(0.9)
    assert world.ask(f"metric: {{name: accuracy, {bounds}}}").passed is passes


def test_a_figure_out_of_bounds_is_refused_with_what_was_found(world: World) -> None:
    world.measure(0.85)
    result = world.ask(MIN)
    assert (result.passed, result.name, result.detail) == (False, "accuracy ≥ 0.90", "0.85")


def test_without_a_test_result_it_is_refused(world: World) -> None:
    assert world.ask(MIN).detail == "no test result is attached"
    world.attest(TEST_RESULT, {"result": "PASSED", "metrics": {"recall": 1}})
    assert world.ask(MIN).detail == "no test result has the metric 'accuracy'"


@pytest.mark.parametrize("value", ["0.99", True, None, [0.99], {"value": 0.99}])
def test_what_is_no_number_never_passes(value: object, world: World) -> None:
    world.measure(0.95, ago=HOUR)
    world.measure(value)
    result = world.ask(MIN)
    assert not result.passed
    assert "no finite number" in result.detail


def test_a_result_that_failed_never_passes_however_good_the_figure(world: World) -> None:
    world.measure(0.99, ago=HOUR)
    world.measure(0.99, result="FAILED")
    assert world.ask(MIN).detail == "the test result says FAILED, with 0.99"


def test_a_result_with_warnings_passes_and_one_that_says_nothing_does_not(world: World) -> None:
    world.measure(0.99, result="WARNED", ago=HOUR)
    assert world.ask(MIN).passed
    world.measure(0.99, result="maybe")
    assert not world.ask(MIN).passed


def test_the_newest_result_that_has_the_metric_counts(world: World) -> None:
    world.measure(0.80, ago=2 * HOUR)
    world.measure(0.95, ago=HOUR)
    world.attest(TEST_RESULT, {"result": "PASSED", "metrics": {"recall": 1}, "time": "2026-03-01T11:59:00Z"})
    assert world.ask(MIN).passed
    world.measure(0.70)
    assert not world.ask(MIN).passed


def test_a_result_from_the_future_refuses(world: World) -> None:
    world.measure(0.95, ago=-HOUR)
    assert world.ask(MIN).detail == "a test result is dated in the future: 2026-03-01T13:00:00Z"


def test_results_whose_order_nobody_knows_refuse(world: World) -> None:
    world.measure(0.95, time=None)
    assert world.ask(MIN).passed, "one result needs no order"
    world.measure(0.5, ago=HOUR)
    assert world.ask(MIN).detail == "a test result has no time that can be read"


def test_results_of_the_same_time_must_agree(world: World) -> None:
    world.measure(0.95)
    world.measure(0.95, key=RELEASE)
    assert world.ask(MIN).passed
    world.measure(0.95, result="FAILED")
    assert world.ask(MIN).detail == "test results of the same time differ in the metric 'accuracy'"


def test_where_trust_is_set_only_results_of_its_keys_count(world: World) -> None:
    world.measure(0.99)
    world.measure(0.99, key=STRANGER)
    assert world.ask(MIN, head=TRUST).detail == (
        "no test result signed by release.pub is attached; 2 are there that do not count"
    )
    world.measure(0.91, key=RELEASE, ago=HOUR)
    assert world.ask(MIN, head=TRUST).name == "accuracy 0.91 ≥ 0.90"


def test_a_gates_own_key_stands_above_trust(world: World) -> None:
    world.measure(0.99, key=STRANGER)
    assert world.ask("metric: {name: accuracy, min: 0.9, key: stranger.pub}", head=TRUST).passed


def test_a_result_of_another_kit_does_not_count_where_it_is_replayed(world: World) -> None:
    other = world.pack("other weights")
    world.attest(TEST_RESULT, {"result": "PASSED", "metrics": {"accuracy": 1}}, key=RELEASE, about=other)
    assert not world.ask(MIN).passed
    assert not world.ask(MIN, head=TRUST).passed


def test_an_empty_channel_to_compare_with_passes_and_is_said(world: World) -> None:
    world.measure(0.941)
    assert world.ask(WORSE).name == "accuracy 0.941 ≥ 0.90, prod is empty"


def test_a_figure_is_compared_with_the_kit_in_the_channel(world: World) -> None:
    other = world.pack("other weights", "prod")
    world.measure(0.938, on=other)
    world.measure(0.941)
    result = world.ask(WORSE)
    assert (result.passed, result.name) == (True, "accuracy 0.941 ≥ 0.90, prod has 0.938")
    assert len(result.evidence) == 2


@pytest.mark.parametrize(("other", "passes"), [(0.95, True), (0.951, False), (0.95000001, False)])
def test_the_margin_is_exact(other: float, passes: bool, world: World) -> None:
    world.measure(0.94)
    world.measure(other, on=world.pack("other weights", "prod"))
    result = world.ask(WORSE)
    assert result.passed is passes
    if not passes:
        assert result.name == "accuracy ≥ 0.90, not worse than prod by more than 0.01"
        assert result.detail == f"0.94, prod has {other!r}"


@pytest.mark.parametrize(("own", "passes"), [(0.3, True), (0.31, False), (0.2, True)])
def test_lower_may_be_better(own: float, passes: bool, world: World) -> None:
    world.measure(own)
    world.measure(0.1 + 0.2 - 0.00000000000000004, on=world.pack("other weights", "prod"))
    gate = "metric: {name: accuracy, not_worse_than: prod, higher_is_better: false}"
    assert world.ask(gate).passed is passes


def test_a_kit_in_the_channel_without_the_metric_refuses(world: World) -> None:
    world.pack("other weights", "prod")
    world.measure(0.99)
    assert world.ask(WORSE).detail == "the kit in prod: no test result is attached"


def test_a_metrics_name_cannot_steer_the_terminal(world: World) -> None:
    world.attest(TEST_RESULT, {"result": "\x1b[2Jbad\n", "metrics": {"accuracy": 1}})
    assert world.ask(MIN).detail == "the test result says \\x1b[2Jbad , with 1"


def test_a_huge_integer_is_a_number(world: World) -> None:
    world.measure(10**400)
    assert world.ask(MIN).passed


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12))
def test_a_number_for_people_is_that_number(value: float) -> None:
    assert float(number_text(value)) == value

"""How many transfers go on at a time: more while the processor waits, fewer where a registry has had enough."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from blob_tools import Bytes, fast, some_bytes
from fault_proxy import FaultProxy, answer, delay

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control, Event
from kitops_core.lanes import MOST_ASKING, MOST_LANES, Lanes, at_most
from kitops_core.parallel import run_all
from kitops_core.storage.registry import RegistryRepository


class Crowd:
    """Counts how many tasks run at a time."""

    def __init__(self, work: Callable[[Control], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __call__(self, control: Control) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self._work(control)
        finally:
            with self._lock:
                self._now -= 1


def wait(control: Control, seconds: float = 0.1) -> None:
    """What a small request over a link with a round trip is to the processor."""
    time.sleep(seconds)


def test_tasks_that_wait_for_the_network_go_up_to_32_at_a_time() -> None:
    crowd = Crowd(wait)
    run_all([crowd] * 200, Control())
    assert crowd.most == 32


@pytest.mark.usefixtures("quiet_processor")
@pytest.mark.parametrize("most", [1, 3])
def test_no_more_tasks_go_at_a_time_than_is_asked_for(most: int) -> None:
    crowd = Crowd(partial(wait, seconds=0.1))
    with at_most(most):
        control = Control()
    run_all([crowd] * 12, control)
    assert crowd.most == most


@pytest.mark.usefixtures("quiet_processor")
def test_what_was_found_out_about_the_link_is_kept_for_the_rest_of_the_operation() -> None:
    control = Control()
    run_all([wait] * 200, control)
    crowd = Crowd(partial(wait, seconds=0.5))
    run_all([crowd] * 20, control)
    assert crowd.most > 8


class Clock:
    """A clock that is set by hand, of a process that does nothing but wait."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return 0.0


@pytest.mark.parametrize(("working", "in_line"), [(0.9, 0.0), (0.1, 0.6)], ids=["used by us", "used by others"])
def test_no_more_lanes_are_taken_while_the_processors_are_in_use(
    monkeypatch: pytest.MonkeyPatch, working: float, in_line: float
) -> None:
    """With time made by hand: each lane's thread works, or stands in line for a processor, so much of the time."""
    clock = Clock()
    monkeypatch.setattr("kitops_core.lanes.time", clock)
    lanes, used = Lanes(), 0
    before = lanes.limit

    def busy() -> tuple[float, float]:
        return min(working * used, os.cpu_count() or 1) * clock.now, in_line * used * clock.now

    while lanes.try_enter():
        used += 1
    monkeypatch.setattr("kitops_core.lanes._busy_seconds", busy)
    for _ in range(100):
        clock.now += 0.025
        assert not lanes.try_enter()
        lanes.moved(1 << 20)
    assert lanes.limit == before


@pytest.mark.parametrize(
    ("answers", "most", "limit"),
    [([0.03, 0.08], 32, 32), ([0.03, 0.08], 6, 6), ([0.03, 0.002], 32, None), ([], 32, None)],
    ids=["far", "far and few allowed", "near", "unknown"],
)
def test_small_tasks_begin_on_all_lanes_where_no_answer_came_soon(
    answers: list[float], most: int, limit: int | None
) -> None:
    with at_most(most):
        lanes = Lanes()
    before = lanes.limit
    for seconds in answers:
        lanes.answered(seconds)
    lanes.expect_small()
    assert lanes.limit == (limit or before)


def test_small_tasks_do_not_begin_on_all_lanes_where_a_server_refused_some() -> None:
    lanes = Lanes()
    lanes.answered(0.03)
    lanes.refused()
    before = lanes.limit
    lanes.expect_small()
    assert lanes.limit == before


@pytest.mark.parametrize(("per_lane", "most"), [(False, 16), (True, 32)])
def test_more_lanes_that_move_no_more_bytes_are_given_up_again(
    monkeypatch: pytest.MonkeyPatch, per_lane: bool, most: int
) -> None:
    """Over two links, with time made by hand: one is shared by all connections, the other limits each."""
    clock = Clock()
    monkeypatch.setattr("kitops_core.lanes.time", clock)
    monkeypatch.setattr("kitops_core.lanes._busy_seconds", lambda: (0.0, 0.0))
    lanes, used, counts = Lanes(), 0, []
    for _ in range(200):
        clock.now += 0.025
        while lanes.try_enter():
            used += 1
        if lanes.too_many():
            lanes.leave()
            used -= 1
        lanes.moved(int(0.025 * 20e6 * (used if per_lane else 4)))
        counts.append(used)
    assert max(counts) == most
    assert counts[-1] == (32 if per_lane else 8)


@pytest.mark.usefixtures("quiet_processor")
def test_a_registry_that_has_had_enough_gets_half_as_much_at_a_time_and_slowly_more() -> None:
    control = Control()
    run_all([wait] * 100, control)
    before = control.lanes.limit
    for _ in range(before):
        control.lanes.enter()
    for _ in range(before):  # all that is under way is refused together
        control.lanes.refused()
    assert control.lanes.limit == before // 2
    assert control.lanes.too_many()


def test_tasks_inside_tasks_come_to_an_end_whatever_the_limit() -> None:
    def outer(control: Control) -> int:
        return sum(run_all([lambda linked: 1] * 5, control))

    assert run_all([outer] * 20, Control()) == [5] * 20


def test_results_keep_their_order_and_the_first_failure_stops_the_rest() -> None:
    def number(index: int, control: Control) -> int:
        time.sleep(0.02 if index % 3 else 0)
        return index

    assert run_all([partial(number, index) for index in range(50)], Control()) == list(range(50))
    stopped = []

    def goes_on(control: Control) -> None:
        try:
            control.sleep(10)
        except CancelledError:
            stopped.append(1)
            raise

    def fails(control: Control) -> None:
        time.sleep(0.1)
        raise ValueError("the first")

    started = time.monotonic()
    with pytest.raises(ValueError, match="the first"):
        run_all([goes_on, fails, *[goes_on] * 40], Control())
    assert stopped
    assert time.monotonic() - started < 5


def test_a_switch_that_is_flipped_stops_all_32() -> None:
    cancel = Cancel()
    control = Control(None, cancel)
    threading.Timer(0.5, cancel.cancel).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        run_all([lambda linked: linked.sleep(30)] * 100, control)
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("quiet_processor")
def test_blobs_are_sent_though_the_registry_refuses_many_at_a_time(faults: FaultProxy) -> None:
    """A real registry behind a proxy with a round trip that answers 429 to 40 requests once many come at a time."""
    faults.fault("POST", "/blobs/uploads/", delay(0.03), times=60)
    faults.fault("POST", "/blobs/uploads/", answer(429, Retry_After="0"), times=40)
    faults.fault("POST", "/blobs/uploads/", delay(0.03), times=999)
    repository = RegistryRepository(faults.address, f"faults/{uuid4().hex}", fast(keep_trying=20))
    blobs = [some_bytes(3000, seed) for seed in range(100)]
    control = Control()

    def send(data: bytes, linked: Control) -> str:
        return repository.write_blob(Bytes(data), linked).descriptor.digest

    digests = run_all([partial(send, data) for data in blobs], control)
    assert len(set(digests)) == len(blobs)
    assert control.lanes.limit < 32
    repository.close()


@pytest.mark.usefixtures("quiet_processor")
def test_who_only_asks_for_little_things_gets_more_lanes_unless_fewer_are_wanted() -> None:
    crowd = Crowd(partial(wait, seconds=0.3))
    run_all([crowd] * 400, Control().asking())
    assert MOST_LANES < crowd.most <= MOST_ASKING
    with at_most(3):
        assert Control().asking().lanes.most == 3


def test_a_control_for_asking_stops_and_reports_with_its_own() -> None:
    told: list[Event] = []
    switch = Cancel()
    asking = Control(told.append, switch).asking()
    asking.emit(Event("warning", "x"))
    assert [event.name for event in told] == ["x"]
    switch.cancel()
    assert asking.cancelled

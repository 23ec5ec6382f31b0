"""A lock that processes on several machines share: one holds it, the dead lose it, nobody loses it unnoticed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitops_core.errors import NotFoundError, StoreError
from kitops_core.events import Control, Event
from kitops_core.serving.lease import Lease, _bury, _Watch, take_turn

DEAD = "00000000deadbeef"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def leave_lock(place: Path, token: str = DEAD) -> None:
    """A lock as a process that was killed leaves it."""
    (place / "lock").mkdir(parents=True)
    (place / "lock" / token).write_text('{"host": "node-7", "pid": 12}')


def never() -> None:
    return None


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_many_at_once_one_works_and_the_others_get_what_it_made(place: Path) -> None:
    made: list[str] = []

    def work(lease: Lease, control: Control) -> str:
        time.sleep(0.2)
        made.append(lease.token)
        return made[0]

    def turn(_: int) -> str:
        return take_turn(place, lambda: made[0] if made else None, work, control=Control())

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(turn, range(8)))
    assert len(made) == 1
    assert set(results) == set(made)
    assert not place.exists()


def test_work_is_never_done_by_two_at_once(place: Path) -> None:
    inside, most = [0], [0]

    def work(lease: Lease, control: Control) -> int:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: take_turn(place, never, work, control=Control()), range(24)))
    assert most == [1]


def test_what_is_ready_needs_no_lock(place: Path) -> None:
    leave_lock(place)
    assert take_turn(place, lambda: "ready", lambda lease, control: "made", control=Control()) == "ready"


def test_an_error_lets_the_next_one_try(place: Path) -> None:
    def fail(lease: Lease, control: Control) -> int:
        raise NotFoundError("gone")

    with pytest.raises(NotFoundError):
        take_turn(place, never, fail, control=Control())
    assert take_turn(place, never, lambda lease, control: 1, control=Control()) == 1


def test_a_lock_that_nobody_touches_is_taken_over_after_a_while_and_not_before(place: Path) -> None:
    leave_lock(place)
    started, said = time.monotonic(), list[Event]()
    assert take_turn(place, never, lambda lease, control: 1, control=Control(said.append), stale_after=1) == 1
    assert time.monotonic() - started >= 1
    assert [event.detail for event in said] == ["waiting for process 12 on node-7, which is fetching"]


def test_a_lock_is_stale_when_it_went_untouched_by_the_watchers_own_clock(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lock(place)
    now = [1000.0]
    monkeypatch.setattr("kitops_core.serving.lease.time.monotonic", lambda: now[0])
    watch = _Watch(place / "lock", 30)
    for touched in range(5):
        os.utime(place / "lock" / DEAD, (touched, touched))  # whatever the time is where the holder is
        assert watch.holder() == DEAD
        assert not watch.is_stale()
        now[0] += 29
        assert watch.holder() == DEAD
        assert not watch.is_stale()
    now[0] += 2
    assert watch.holder() == DEAD
    assert watch.is_stale()


def test_a_holder_touches_its_lock(place: Path) -> None:
    def work(lease: Lease, control: Control) -> bool:
        (file,) = (place / "lock").iterdir()
        before = file.stat().st_mtime_ns
        eventually(lambda: file.stat().st_mtime_ns > before)
        return True

    assert take_turn(place, never, work, control=Control(), stale_after=0.3)


def test_of_two_that_find_a_lock_stale_one_takes_it(place: Path) -> None:
    leave_lock(place)
    assert _bury(place, DEAD)
    leave_lock(place, token="the next holder's")
    assert not _bury(place, DEAD)
    assert os.listdir(place / "lock") == ["the next holder's"]


def test_a_lock_that_was_released_and_taken_while_it_was_found_stale_is_given_back(place: Path) -> None:
    leave_lock(place, token="the next holder's")
    assert not _bury(place, DEAD)
    assert os.listdir(place / "lock") == ["the next holder's"]


def test_who_lost_the_lock_stops_and_waits_for_the_one_who_has_it(place: Path) -> None:
    made: list[str] = []

    def work(lease: Lease, control: Control) -> str:
        assert _bury(place, lease.token)
        leave_lock(place, token="another's")
        while True:  # the heartbeat finds out
            if lease.lost.cancelled:
                made.append("by another")
            control.check()
            time.sleep(0.01)

    said: list[Event] = []
    ready = lambda: made[0] if made else None  # noqa: E731
    assert take_turn(place, ready, work, control=Control(said.append), stale_after=1) == "by another"
    assert "another process took over" in said[0].detail
    assert os.listdir(place / "lock") == ["another's"]


def test_an_empty_lock_of_a_process_killed_while_it_let_go_is_free(place: Path) -> None:
    (place / "lock").mkdir(parents=True)
    assert take_turn(place, never, lambda lease, control: 1, control=Control()) == 1


def test_a_directory_writable_by_a_group_gets_a_lock_that_the_group_can_take_over(place: Path) -> None:
    place.parent.chmod(0o2775)

    def work(lease: Lease, control: Control) -> int:
        return place.stat().st_mode & (place / "lock").stat().st_mode & 0o777

    assert take_turn(place, never, work, control=Control()) == 0o775


def test_a_file_in_the_locks_place_is_named(place: Path) -> None:
    place.write_text("")
    with pytest.raises(StoreError, match=f"cannot write in {place}"):
        take_turn(place, never, lambda lease, control: 1, control=Control())

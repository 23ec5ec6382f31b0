"""Many watch, one looks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kitops_core.orchestrate.looks import NEVER, Looks


def test_of_many_at_one_time_one_asks() -> None:
    looks: Looks[str] = Looks()
    asked: list[int] = []
    begin = threading.Barrier(20)

    def ask() -> str:
        asked.append(1)
        return "sha256:a"

    def watch(_: int) -> str | None:
        begin.wait()
        return looks.look("tag", ask, lambda failures: 60.0).found

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(watch, range(20))) == {"sha256:a"}
    assert len(asked) == 1


def test_who_comes_when_it_is_due_asks_again_and_others_come_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("kitops_core.orchestrate.looks.time.monotonic", lambda: clock[0])
    looks: Looks[int] = Looks()
    answers = iter((1, 2, 3))

    def look() -> tuple[int | None, float]:
        seen = looks.look("tag", lambda: next(answers), lambda failures: 60.0)
        return seen.found, seen.due

    assert look() == (1, 60.0)
    clock[0] += 45
    assert look() == (1, 15.0)
    clock[0] += 15
    assert [look(), look()] == [(2, 60.0), (2, 60.0)]


def test_a_failure_is_everybodys_and_the_next_look_is_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("kitops_core.orchestrate.looks.time.monotonic", lambda: clock[0])
    looks: Looks[str] = Looks()
    asked: list[float] = []

    def away() -> str:
        asked.append(clock[0])
        raise ConnectionError("away")

    for _ in range(80):
        seen = looks.look("tag", away, lambda failures: 10.0 * 2**failures)
        assert (seen.found, str(seen.error)) == (None, "away")
        clock[0] += 1
    assert asked == [100.0, 120.0, 160.0]
    clock[0] = 1000.0
    seen = looks.look("tag", lambda: "sha256:a", lambda failures: 10.0 * 2**failures)
    assert (seen.found, seen.error, seen.due) == ("sha256:a", None, 10.0)


def test_what_was_found_stands_while_looks_fail() -> None:
    looks: Looks[str] = Looks()
    assert looks.look("tag", lambda: "sha256:a", lambda failures: 0.0).found == "sha256:a"
    seen = looks.look("tag", lambda: 1 // 0, lambda failures: 0.0)  # type: ignore[arg-type, return-value]
    assert (seen.found, type(seen.error)) == ("sha256:a", ZeroDivisionError)


def test_different_things_do_not_wait_for_each_other() -> None:
    looks: Looks[str] = Looks()

    def ask() -> str:
        return str(looks.look("b", lambda: "b", lambda failures: 60.0).found)

    assert looks.look("a", ask, lambda failures: 60.0).found == "b"


def test_nobody_is_given_a_look_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("kitops_core.orchestrate.looks.time.monotonic", lambda: clock[0])
    looks: Looks[int] = Looks()
    answers = iter(range(9))
    seen = {"one": NEVER, "other": NEVER}

    def tick(who: str) -> int | None:
        look = looks.look("tag", lambda: next(answers), lambda failures: 60.0, after=seen[who])
        seen[who] = look.at
        clock[0] += 1
        return look.found

    assert [tick(who) for who in ("one", "other", "one", "other", "one", "one", "other")] == [0, 0, 1, 1, 2, 3, 3]


def test_no_more_is_remembered_than_fits() -> None:
    looks: Looks[int] = Looks(most=3)
    for number in range(10):
        looks.look(number, lambda number=number: number, lambda failures: 60.0)  # type: ignore[misc]
    assert looks.look(9, lambda: -1, lambda failures: 60.0).found == 9
    assert looks.look(0, lambda: -1, lambda failures: 60.0).found == -1

"""Several tasks at a time: which begin when, and whose failure is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from kitops_core.errors import NotFoundError, StoreError
from kitops_core.events import Control
from kitops_core.lanes import at_most
from kitops_core.parallel import run_all

FEW = 6


def test_tasks_that_ask_a_little_begin_at_once_however_few_lanes_there_are() -> None:
    met = threading.Barrier(FEW, timeout=10)
    assert sorted(run_all([lambda _: met.wait()] * FEW, Control(), at_once=True)) == [*range(FEW)]


def test_where_only_one_may_be_at_work_they_follow_each_other_in_order() -> None:
    begun: list[int] = []

    def task(number: int) -> Callable[[Control], int]:
        return lambda _: begun.append(number) or number

    with at_most(1):
        assert run_all([task(number) for number in range(FEW)], Control(), at_once=True) == [*range(FEW)]
    assert begun == [*range(FEW)]


def test_of_several_failures_that_of_the_first_task_is_raised() -> None:
    failed = threading.Event()

    def first(_: Control) -> None:
        failed.wait(10)
        raise NotFoundError("the first")

    def second(_: Control) -> None:
        failed.set()
        raise StoreError("the second, which was faster")

    def stopped(control: Control) -> None:
        control.sleep(10)

    with pytest.raises(NotFoundError, match="the first"):
        run_all([stopped, first, second], Control(), at_once=True)

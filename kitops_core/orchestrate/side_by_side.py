"""Several operations at a time: each waits for its registry most of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from kitops_core.events import Cancel
from kitops_core.lanes import MOST_LANES, at_most

Thing = TypeVar("Thing")
Made = TypeVar("Made")

AT_A_TIME = 8
"""How many operations are under way at a time; together they have the connections that one could have."""


def side_by_side(work: Callable[[Thing], Made], things: Sequence[Thing], cancel: Cancel) -> list[Made]:
    """Work on several things at a time, each in the context variables of the caller.

    Args:
        work: What is done with each.
        things: What it is done with.
        cancel: The switch of the client that ``work`` uses. When one fails, or the caller is interrupted, it is
            flipped, and what is under way stops.

    Returns:
        What came of each, in the order of the things.
    """

    def one(thing: Thing) -> Made:
        with at_most(MOST_LANES // AT_A_TIME if len(things) > 1 else None):
            return work(thing)

    with ThreadPoolExecutor(AT_A_TIME, "kitops") as threads:
        under_way = [threads.submit(copy_context().run, one, thing) for thing in things]
        try:
            wait(under_way, return_when="FIRST_EXCEPTION")
            for task in under_way:
                if task.done():
                    task.result()  # raises the error, if it ended in one
            return [task.result() for task in under_way]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)  # before the switch: who stops makes room for the next
            cancel.cancel()
            raise

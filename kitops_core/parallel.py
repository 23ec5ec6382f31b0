"""Several blobs at a time: two on two cores is what the measurements favour, and more than four only when asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control

T = TypeVar("T")
_limit: ContextVar[int | None] = ContextVar("limit", default=None)


@contextmanager
def at_most(count: int | None) -> Iterator[None]:
    """Inside the block, move up to ``count`` blobs at a time; ``None`` leaves it to what the machine has."""
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)


def run_all(tasks: Sequence[Callable[[Control], T]], control: Control) -> list[T]:
    """Run every task and return their results in order.

    When one fails, the others are told to stop between buffers, and the first failure is raised once all have.
    """
    workers = min(_limit.get() or min(4, os.cpu_count() or 1), len(tasks))
    if workers <= 1:
        return [task(control) for task in tasks]
    stop = Cancel()
    linked = control.linked(stop)
    with ThreadPoolExecutor(workers, thread_name_prefix="kitops") as pool:
        futures = [pool.submit(task, linked) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if any(not future.done() or future.exception() for future in futures):
                stop.cancel()
            for future in futures:
                future.cancel()
    control.check()
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    errors.sort(key=lambda error: isinstance(error, CancelledError))
    if errors:
        raise errors[0]
    return [future.result() for future in futures]

"""Several tasks of one operation at a time, as many as its lanes allow: see :mod:`kitops_core.lanes`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from types import TracebackType
from typing import Any, Generic, TypeVar

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control

T = TypeVar("T")
_LOOK_SECONDS = 0.02


def run_all(tasks: Sequence[Callable[[Control], T]], control: Control, *, at_once: bool = False) -> list[T]:
    """Run every task and return their results in order.

    When one fails, the others are told to stop between buffers, and a failure is raised once all have: that of the
    first task that has one of its own.

    Args:
        tasks: What to do.
        control: Progress and cancelling, and how many lanes there are.
        at_once: Whether all begin now, where there may be more than one lane: for a few that each ask a little.
    """
    lanes = control.lanes
    if len(tasks) <= 1 or lanes.most == 1:
        with lanes.one():  # nested in a task, it is the task's own
            return [task(control) for task in tasks]
    return _Run(tasks, control, at_once).run()


class Beside(Generic[T]):
    """One task that runs in a thread of its own while the block goes on; a context manager.

    It is no lane: it asks little, and waits most of the time. Where the block raises, it is told to stop, and what
    became of it is nobody's business.

    Args:
        task: What to do.
        control: Progress and cancelling.
    """

    def __init__(self, task: Callable[[Control], T], control: Control) -> None:
        self._task = task
        self._control = control
        self._stop = Cancel()
        self._linked = control.linked(self._stop)
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="kitops", daemon=True)

    def __enter__(self) -> Beside[T]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._stop.cancel()
        self._thread.join()

    def result(self) -> T:
        """What it returned, once it has; raises what it raised."""
        try:
            self._thread.join()
        except BaseException:
            self._stop.cancel()
            raise
        self._control.check()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _work(self) -> None:
        try:
            self._results.append(self._task(self._linked))
        except BaseException as error:
            self._error = error


class _Run:
    """Tasks, and the threads that work on them: one for each lane."""

    def __init__(self, tasks: Sequence[Callable[[Control], Any]], control: Control, at_once: bool) -> None:
        self._control = control
        self._at_once = at_once
        self._lanes = control.lanes
        self._stop = Cancel()
        self._linked = control.linked(self._stop)
        self._left = deque(enumerate(tasks))
        self._results: list[Any] = [None] * len(tasks)
        self._errors: list[tuple[int, BaseException]] = []
        self._threads: list[threading.Thread] = []
        self._idle = threading.Event()

    def run(self) -> list[Any]:
        try:
            while self._left and not self._errors:
                self._staff()
                self._idle.wait(_LOOK_SECONDS)
            self._wait()
        except BaseException:
            self._stop.cancel()
            self._wait()
            raise
        self._control.check()
        if self._errors:
            raise min(self._errors, key=lambda each: (isinstance(each[1], CancelledError), each[0]))[1]
        return self._results

    def _staff(self) -> None:
        """Start threads for the lanes that are free, and at least one."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for _ in range(len(self._left)):
            if self._at_once or not self._lanes.try_enter():
                if self._threads and not self._at_once:
                    return
                self._lanes.enter()
            thread = threading.Thread(target=copy_context().run, args=(self._work,), name="kitops", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        index = -1
        try:
            while self._left and not self._errors:
                try:
                    index, task = self._left.popleft()
                except IndexError:  # another thread was faster
                    break
                self._results[index] = task(self._linked)
                self._lanes.finished()
                if self._lanes.too_many():
                    break
        except BaseException as error:
            self._errors.append((index, error))
            self._stop.cancel()
        finally:
            self._lanes.leave()
            if self._errors or not self._left:
                self._idle.set()

    def _wait(self) -> None:
        for thread in self._threads:
            thread.join()

"""The progress of a long transfer as an artifact of the run."""

from __future__ import annotations

import contextvars
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from uuid import UUID

import kitops_core as kitops
from prefect_kitops.running import in_run, run_logger

EVERY_SECONDS = 5.0
"""How often an artifact is brought up to date: each time is a call to Prefect's API."""


class Progress:
    """Counts an operation's bytes and shows how far it is, at most once every few seconds.

    A transfer that is over sooner than that never makes an artifact, and none waits for Prefect's API. Warnings and
    retries of the engine go to the run's log.
    """

    def __init__(self, what: str, *, every: float = EVERY_SECONDS) -> None:
        self._what = what
        self._every = every
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._artifact: UUID | None = None
        self._showing: Future[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="modelkit-progress")
        self._next = time.monotonic() + every
        self._in_run = in_run()
        # The engine's threads have no run of their own; what they tell belongs to this one.
        self._context = contextvars.copy_context()

    def update(self, event: kitops.Event) -> None:
        """Take one event of the engine; events come one at a time."""
        if event.phase in ("retry", "warning"):
            self._context.copy().run(self._log, f"{event.name}: {event.detail}" if event.name else event.detail)
            return
        if event.total is not None:
            self._total[event.name] = event.total
        self._done[event.name] = event.total or event.done if event.phase == "finish" else event.done
        if self._in_run and time.monotonic() >= self._next and (self._showing is None or self._showing.done()):
            self._showing = self._pool.submit(self._context.copy().run, self._show, self.percent)
            self._next = time.monotonic() + self._every

    @property
    def percent(self) -> float:
        """How much of the bytes known so far is done, from 0 to 100."""
        total = sum(self._total.values())
        return min(100.0, 100.0 * sum(self._done.get(name, 0) for name in self._total) / total) if total else 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if self._artifact is not None and error is None:
            self._context.copy().run(self._show, 100.0)

    def _log(self, text: str) -> None:
        run_logger().warning("%s", text)

    def _show(self, percent: float) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(percent, description=self._what, _sync=True)  # type: ignore[call-arg, assignment]
            else:
                update_progress_artifact(self._artifact, percent, _sync=True)  # type: ignore[call-arg]
        except Exception as error:  # a server that is away must not stop a transfer, and is not asked again
            self._in_run = False
            self._log(f"its progress cannot be shown: {error}")

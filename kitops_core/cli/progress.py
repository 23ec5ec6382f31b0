"""Progress on standard error: bars on a terminal, lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kitops_core.cli.output import printable, size_text
from kitops_core.cli.settings import Settings
from kitops_core.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_EVERY = 15.0
"""Seconds between two lines about one blob, where there are no bars: logs stay short, and nobody thinks it hangs."""
_DRAW_EVERY = 0.05
_SMALL = ("config", "manifest")


@contextmanager
def reporter(settings: Settings, written: str) -> Iterator[Callable[[Event], None]]:
    """Where an operation's events go.

    Args:
        settings: Which kind of progress is wanted, and how much is shown.
        written: What to call a blob that was moved.
    """
    kind = settings.progress or ("fancy" if sys.stderr.isatty() else "plain")
    if kind == "none" or settings.quiet:
        yield _Notices(settings)
    elif kind == "plain":
        yield _Lines(settings, written)
    else:
        bars = _Bars(settings)
        try:
            yield bars
        finally:
            bars.close()


class _Notices:
    """Only what a person must know: warnings, and that a request is tried again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, event: Event) -> None:
        if event.phase == "warning" and self._settings.log_level != "error":
            self.say(f"warning: {event.detail}")
        elif event.phase == "retry" and not self._settings.quiet:
            self.say(event.detail)

    def say(self, line: str) -> None:
        """Write one line."""
        click.echo(printable(line), err=True)


class _Lines(_Notices):
    """One line when a blob is done, and now and then one about a blob that takes long."""

    def __init__(self, settings: Settings, written: str) -> None:
        super().__init__(settings)
        self._words = {"written": written, "present": "already there", "mounted": "mounted", "unpacked": "checked"}
        self._spoke: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.phase == "start":
            self._spoke[event.name] = now
        elif event.phase == "advance" and now - self._spoke.setdefault(event.name, now) >= _LINE_EVERY:
            self._spoke[event.name] = now
            of = f" of {size_text(event.total)}, {event.done * 100 // event.total} %" if event.total else ""
            self.say(f"  {event.name}  {size_text(event.done)}{of}")
        elif event.phase == "finish" and (self._settings.chatty or event.name not in _SMALL):
            self.say(f"  {event.name}  {size_text(event.done)}  {self._words.get(event.outcome, event.outcome)}")
        else:
            super().__call__(event)


class _Bars(_Notices):
    """A bar for every blob that moves; gone when all is done."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._drawn: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if event.phase == "start" and event.name not in _SMALL:
            progress = self._started()
            self._bars[event.name] = progress.add_task(printable(event.name), total=event.total)
        elif event.phase == "advance" and self._progress and event.name in self._bars:
            now = time.monotonic()
            if now - self._drawn.get(event.name, 0.0) >= _DRAW_EVERY:
                self._drawn[event.name] = now
                self._progress.update(self._bars[event.name], completed=event.done)
        elif event.phase == "finish" and self._progress and event.name in self._bars:
            self._progress.remove_task(self._bars.pop(event.name))
        else:
            super().__call__(event)

    def say(self, line: str) -> None:
        """Write one line above the bars."""
        if self._progress is None:
            super().say(line)
        else:
            self._progress.console.print(printable(line), markup=False, highlight=False)

    def close(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()

    def _started(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress

"""Runs ``kitops`` with a clock that is wrong by the seconds given first: ``python -m wrong_clock -90 promote ...``."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, tzinfo

from kitops_core.cli import main
from kitops_core.evidence import statements
from kitops_core.promotion import move

WRONG = timedelta(seconds=float(sys.argv.pop(1)))


class Clock(datetime):
    """A clock as far off as this process's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + WRONG


statements.datetime = move.datetime = Clock  # type: ignore[misc,attr-defined]
main()

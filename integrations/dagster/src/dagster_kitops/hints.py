"""What can be done about an error, in the run's log: of an error Dagster shows the message only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kitops_core import KitOpsError


@contextmanager
def hints_logged(log: Any) -> Iterator[None]:
    """Let errors pass, and log the hint that the engine's errors have.

    Args:
        log: Dagster's log manager, or ``None`` where there is no run.
    """
    try:
        yield
    except KitOpsError as error:
        if error.hint and log is not None:
            log.error(f"{error.message}: {error.hint}")
        raise

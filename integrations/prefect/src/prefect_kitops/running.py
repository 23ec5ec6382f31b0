"""What every task does around the engine: say what went wrong, and run it beside an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from kitops_core.errors import KitOpsError, RegistryError
from kitops_core.events import Cancel

if TYPE_CHECKING:
    import logging

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

T = TypeVar("T")
_MAX_RUN_NAME = 80


def run_logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The logger of the run at hand, or the collection's outside of any."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("prefect_kitops")


@contextmanager
def hints() -> Iterator[None]:
    """Log what a user can do about an error of the engine; Prefect itself shows only the error's message."""
    try:
        yield
    except KitOpsError as error:
        if error.hint:
            run_logger().error("%s", f"{error.message}: {error.hint}")
        raise


def run_name(verb: str, parameter: str) -> Callable[..., str]:
    """How the runs of a task are called: what is done, and to which kit.

    A digest is left out beside a tag and cut elsewhere: the name stands before every line of the run's log.

    Args:
        verb: What is done.
        parameter: The task's parameter with the kit, its reference or its entries.
    """

    def name(parameters: dict[str, Any]) -> str:
        value = parameters.get(parameter)
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        place, _, digest = text.partition("@sha256:")
        tagged = ":" in place.rpartition("/")[2]
        shown = f"{verb} {place}" + (f"@{digest[:12]}" if digest and not tagged else "")
        return shown if len(shown) <= _MAX_RUN_NAME else f"{shown[: _MAX_RUN_NAME - 1]}…"

    return name


async def in_thread(work: Callable[[Cancel], T]) -> T:
    """Run blocking work beside the event loop; where the waiting task is cancelled, the work is told to stop."""
    cancel = Cancel()
    try:
        return await asyncio.to_thread(work, cancel)
    except asyncio.CancelledError:
        cancel.cancel()
        raise


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry only what the registry or the network may do better next time, where a task was given retries.

    The engine repeats single requests itself; a wrong reference or a missing file does not get better.
    """
    error = state.data
    return not isinstance(error, KitOpsError) or isinstance(error, RegistryError)


TASK_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "retry_condition_fn": worth_retrying,
    "tags": {"modelkit"},
}
"""What all tasks of this collection have in common."""

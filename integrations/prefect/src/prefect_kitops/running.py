"""What every task does around the engine: run it, beside an event loop too, and say what went wrong."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from httpx import ConnectError
from prefect import task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

import kitops_core as kitops

if TYPE_CHECKING:
    import logging

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")
_MAX_RUN_NAME = 80

SERVER_SECONDS = 60.0
"""How long a Prefect server that does not take connections is waited for."""

CANCEL: ContextVar[kitops.Cancel | None] = ContextVar("modelkit_cancel", default=None)
"""The switch that stops the work of the task at hand."""


@dataclass
class OwnResult(CachePolicy):
    """No run takes the result of another, and where results are to persist, they do.

    With ``NO_CACHE`` Prefect stores none, whatever ``persist_result`` says; any other policy makes results persist
    unasked. So this one has a key for each run where they are to persist, and counts as ``NO_CACHE`` to Prefect.
    """

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """The name of the run's result, or ``None`` where it is not to persist."""
        return f"modelkit-{task_ctx.task_run.id}" if task_ctx.persist_result else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (OwnResult, type(NO_CACHE)))

    __hash__ = None  # type: ignore[assignment]


def twins(
    name: str, run_name: str | Callable[..., str], **options: Any
) -> Callable[[Callable[P, R]], tuple[Task[P, R], Task[P, Coroutine[Any, Any, R]]]]:
    """Make two tasks of one function: itself, and one to await. Both have its types and its docstring.

    Neither caches: the engine skips what is unchanged by itself, asks the registry while doing so, and a run that
    Prefect takes from a cache emits no asset event.

    Args:
        name: Their name; the one to await is called ``a`` and the name.
        run_name: How their runs are called.
        **options: More options of :func:`prefect.task`.
    """
    options = {"cache_policy": OwnResult(), "retry_condition_fn": worth_retrying, "task_run_name": run_name, **options}

    def make(function: Callable[P, R]) -> tuple[Task[P, R], Task[P, Coroutine[Any, Any, R]]]:
        @wraps(function)
        def here(*args: P.args, **kwargs: P.kwargs) -> R:
            with hints():
                return function(*args, **kwargs)

        @wraps(function)
        async def beside(*args: P.args, **kwargs: P.kwargs) -> R:
            return await in_thread(lambda: here(*args, **kwargs))

        own = name.replace("-", "_")
        here.__name__ = here.__qualname__ = own
        beside.__name__ = beside.__qualname__ = f"a{own}"
        options["description"] = description_of(function)
        return task(name=name, **options)(here), task(name=name, **options)(beside)

    return make


def description_of(function: Callable[..., Any]) -> str:
    """What Prefect's pages say of a task or a deployment: its docstring without arguments, in Markdown.

    Prefect reads what it says of each parameter from the docstring itself.
    """
    return (inspect.getdoc(function) or "").partition("\n\nArgs:")[0].replace("``", "`")


def in_run() -> bool:
    """Whether a task or a flow runs here; elsewhere Prefect is told nothing, as a server would be started for it."""
    return TaskRunContext.get() is not None or FlowRunContext.get() is not None


def run_logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The logger of the run at hand, or the collection's outside of any."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("prefect_kitops")


def patiently(work: Callable[[], R]) -> R:
    """Ask Prefect's API, and again while its server cannot be reached: it may be restarted.

    Prefect's own clients wait for a server only once they were connected to it.
    """
    until = time.monotonic() + SERVER_SECONDS
    while True:
        try:
            return work()
        except ConnectError:
            if time.monotonic() >= until:
                raise
            time.sleep(1)


@contextmanager
def hints() -> Iterator[None]:
    """Log what a user can do about an error of the engine; Prefect itself shows only the error's message."""
    try:
        yield
    except kitops.KitOpsError as error:
        block = ", or give `registry` a saved block, as in 'oci-registry/NAME'"
        hint = error.hint + (block if isinstance(error, kitops.DeniedError) and "`kitops login" in error.hint else "")
        if hint:
            run_logger().error("%s", f"{error.message}: {hint}")
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


async def in_thread(work: Callable[[], R]) -> R:
    """Run blocking work beside the event loop; where the waiting task is cancelled, the work is told to stop."""
    cancel = kitops.Cancel()
    token = CANCEL.set(cancel)  # the thread gets a copy of the context
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        cancel.cancel()
        raise
    finally:
        CANCEL.reset(token)


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Do several things in threads of the run at hand and return what each gave; over a link each waits for answers."""
    with ThreadPoolExecutor(len(work), thread_name_prefix="modelkit") as pool:
        return [done.result() for done in [pool.submit(copy_context().run, each) for each in work]]


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry only what the registry or the network may do better next time, where a task was given retries.

    The engine repeats single requests itself; a wrong reference or a missing file does not get better.
    """
    error = state.data
    return not isinstance(error, kitops.KitOpsError) or isinstance(error, kitops.RegistryError)

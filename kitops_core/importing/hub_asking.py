"""Questions to the Hub by its own client: in time, tried again where that may help, failing with errors of our own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kitops_core.errors import CancelledError, RegistryError
from kitops_core.events import Control
from kitops_core.importing.hub_errors import translated
from kitops_core.storage.registry.addresses import until_cancelled
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.failures import RETRY_STATUSES, retry_after
from kitops_core.storage.registry.options import RegistryOptions

_PATIENCE = 10
"""How many times the timeout of a single answer a whole listing may take: it has many pages."""

T = TypeVar("T")


def asked(
    ask: Callable[[], T],
    doing: str,
    endpoint: str,
    options: RegistryOptions,
    control: Control,
) -> T:
    """What the Hub's client answers; failures that may pass are tried again.

    Args:
        ask: Asks by the client.
        doing: What it does, as in "cannot <doing>", for errors.
        endpoint: The hub's address, for errors.
        options: How long to try.
        control: Cancelling, and where retries are reported.

    Raises:
        InvalidInputError, NotFoundError, DeniedError, RegistryError: As the Hub refused.
        CancelledError: The switch was flipped.
    """
    backoff = Backoff(options, control, "the Hub")
    while True:
        try:
            with _quiet():
                return _in_time(ask, doing, options.timeout * _PATIENCE, control)
        except CancelledError:
            raise
        except Exception as error:
            mine = translated(error, doing, endpoint)
            if mine is None:
                raise
            headers = getattr(getattr(error, "response", None), "headers", {})
            status = mine.status if isinstance(mine, RegistryError) else 0
            problem = f"answers {status}" if status else "cannot be reached"
            passing = status is None or status in RETRY_STATUSES
            if not passing or not backoff.wait(problem, at_least=retry_after(headers)):
                raise backoff.last(mine) from None


def _in_time(ask: Callable[[], T], doing: str, seconds: float, control: Control) -> T:
    """What the client answers; it lists files without any limit of time, and cannot be told to stop.

    Raises:
        RegistryError: It has not answered in time.
        CancelledError: The switch was flipped.
    """
    try:
        return until_cancelled(ask, control, seconds)
    except TimeoutError:
        raise RegistryError(
            f"cannot {doing}: the Hub did not answer in {seconds:.0f} s", hint="try again later"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's own warnings of what it tries again: ours say so, as events."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

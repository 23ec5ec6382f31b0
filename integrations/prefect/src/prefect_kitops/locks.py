"""A lock for everything that moves one tag, shared by all runs of one Prefect."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from prefect_kitops.running import patiently, run_logger

LOCK_SECONDS = 3600.0
"""How long a run waits for the others."""
_MAX_NAME = 60


@contextmanager
def modelkit_lock(reference: str, *, timeout_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Wait until no other run of this Prefect holds the lock of a reference.

    The lock is a global concurrency limit of 1, made where it is missing: Prefect's own default for a limit that does
    not exist is no lock at all. A run that dies keeps it for five minutes, which is how long Prefect's leases last;
    a server that keeps its leases in memory, as it does by default, forgets to end those of before it was restarted.
    Who writes to the registry from elsewhere is not held off; the engine's compare-and-swap sees them.

    Args:
        reference: What is going to be moved.
        timeout_seconds: How long to wait.

    Raises:
        TimeoutError: It was not free in time.
    """
    name = lock_name(reference)
    freed = f"if there is none, `prefect global-concurrency-limit delete {name}` frees it"
    if patiently(lambda: _make(name)):
        run_logger().info("%s", f"waiting for the run that has locked {reference}; {freed}")
    held = concurrency(name, timeout_seconds=timeout_seconds, strict=True)
    try:
        held.__enter__()
    except TimeoutError as error:
        raise TimeoutError(
            f"{reference} is still locked by another run after {timeout_seconds:g} s; {freed}"
        ) from error
    try:
        yield
    finally:
        try:
            held.__exit__(None, None, None)
        except HTTPError as error:  # what was done under the lock is done, and the lease ends by itself
            run_logger().warning("%s", f"the lock of {reference} was not given back: {error}")


def lock_name(reference: str) -> str:
    """The name of the lock: readable, of the characters that Prefect allows, and different for every reference."""
    readable = re.sub(r"[^A-Za-z0-9.:-]+", ".", reference)[-_MAX_NAME:]
    return f"modelkit.{readable}.{hashlib.sha256(reference.encode()).hexdigest()[:12]}"


def _make(name: str) -> bool:
    """Make the lock where it is missing, and say whether somebody has it."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):  # another run may make it between the look and the making
            client.upsert_global_concurrency_limit_by_name(name, 1)
        return client.read_global_concurrency_limit_by_name(name).active_slots > 0

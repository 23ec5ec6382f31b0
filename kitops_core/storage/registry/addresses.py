"""The addresses of a host, and waiting for what cannot be told to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from kitops_core.events import Control

_POLL_SECONDS = 0.05

T = TypeVar("T")


def addresses_of(host: str, port: int, user: Control | None) -> list[tuple[Any, ...]]:
    """The addresses of a host. The resolver can take many seconds and cannot be told to stop: it is left alone then."""
    name = host.encode("ascii")  # for a text Python would import its tables of international names

    def ask(flags: int = 0) -> list[tuple[Any, ...]]:
        return list(socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, flags=flags))

    with suppress(socket.gaierror):
        return ask(socket.AI_NUMERICHOST)
    return ask() if user is None else until_cancelled(ask, user)


def until_cancelled(work: Callable[[], T], control: Control, seconds: float | None = None) -> T:
    """What ``work`` returns or raises; it is left to itself, in a thread, when the switch is flipped.

    Args:
        work: What cannot be told to stop.
        control: The switch.
        seconds: How long to wait for it; ``None`` for as long as it takes.

    Raises:
        CancelledError: The switch was flipped.
        TimeoutError: It took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="kitops-left", daemon=True)
    thread.start()
    rounds = None if seconds is None else int(seconds / _POLL_SECONDS) + 1
    while True:
        thread.join(_POLL_SECONDS)
        if not thread.is_alive():
            break
        control.check()
        if rounds is not None and (rounds := rounds - 1) <= 0:
            raise TimeoutError
    if errors:
        raise errors[0]
    return results[0]

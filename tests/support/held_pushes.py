"""Pushes that take their time, or that wait in the middle until they may go on: faults of a :class:`FaultProxy`."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fault_proxy import Drop, FaultProxy, Handler, Reply, Seen

_PIECE = 64 * 1024


def slowly(handler: Handler, seen: Seen) -> Reply:
    """Take some 3 MiB a second of the body, then pass it on."""
    return _whole(handler, seen, 0.02)


@contextmanager
def held_pushes(proxy: FaultProxy, path: str, *, after: int = 0) -> Iterator[threading.Event]:
    """While the event is set, as it is at first, no blob is received to its end.

    Args:
        proxy: Before the registry.
        path: How the paths of these requests begin.
        after: So many blobs go through first.
    """
    held, passed = threading.Event(), iter(range(after))
    held.set()

    def fault(handler: Handler, seen: Seen) -> Reply:
        if next(passed, None) is None:
            while held.is_set():
                time.sleep(0.02)
        return _whole(handler, seen, 0)

    proxy.fault("PATCH", path, fault, times=100_000)
    try:
        yield held
    finally:
        held.clear()


def _whole(handler: Handler, seen: Seen, pause: float) -> Reply:
    """Pass a body on once all of it is there; hang up where its sender does."""
    left, body = int(handler.headers["Content-Length"]), bytearray()
    while left > 0 and (piece := handler.rfile.read(min(left, _PIECE))):
        body += piece
        left -= len(piece)
        time.sleep(pause)
    if left:
        raise Drop
    stream, handler.rfile = handler.rfile, io.BytesIO(body)
    try:
        return handler.forward(seen)
    finally:
        handler.rfile = stream

"""Faults of a Prefect server that a real one shows only by chance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest


def busy_at_first(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """A fault: the Prefect server answers every request that it sees for the first time with 503, and so with none."""
    refused: Counter[tuple[str, str]] = Counter()

    def refuses(request: httpx.Request) -> bool:
        refused[request.method, request.url.path] += 1
        return refused[request.method, request.url.path] == 1

    busy(monkeypatch, refuses)
    return refused


def away(monkeypatch: pytest.MonkeyPatch, seconds: float = 1.5) -> None:
    """A fault: for a while the Prefect server takes no connection, as one that is restarted."""
    until = time.monotonic() + seconds

    def refuses(request: httpx.Request) -> bool:
        if time.monotonic() < until:
            raise httpx.ConnectError("connection refused", request=request)
        return False

    busy(monkeypatch, refuses)


def busy(monkeypatch: pytest.MonkeyPatch, refuses: Callable[[httpx.Request], bool]) -> None:
    """A fault: a Prefect server whose database is locked, for the requests that ``refuses`` is true of."""
    at_once, later = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, headers={"Retry-After": "0"}, json={"exception_message": "Service Unavailable"})

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return answer(request) if refuses(request) else at_once(transport, request)

    async def ahandle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return answer(request) if refuses(request) else await later(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", ahandle)

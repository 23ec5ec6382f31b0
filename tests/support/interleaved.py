"""Several writers against one registry in memory, one request at a time, in an order that a test decides.

What runs is the real code down to the request: a promotion runs in a thread of its own, stops before every request and
goes on when the schedule says so, so that each order of requests can be had again. Waiting takes no time: the clock of
the model moves on when all who are left only wait. A writer that is killed does nothing from then on: what it was about
to send is not sent, or was sent and the answer never comes.

The registry is a fake for what cannot be had from a real one: an order of requests to choose, and a kill at each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property
from io import BytesIO
from random import Random
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from referrers_server import Handler, Repository

from kitops_core.events import Control
from kitops_core.lanes import at_most
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.storage.registry import backoff, referrers_list, repository, swap, tags_list, transport
from kitops_core.storage.registry.connections import Connections
from kitops_core.storage.registry.http_head import Head, Headers
from kitops_core.storage.registry.http_response import Response

REGISTRY = "127.0.0.1:1"  # nobody listens there: whatever escaped the model would fail


class Killed(BaseException):
    """Ends a writer, as SIGKILL would: whatever it still tries to send on its way out is not sent."""


class _Direct(Handler):
    """Answers one request of the fake registry without a connection."""

    def __init__(self, server: Any, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.server = server
        self.command = method
        self.path = path
        self.headers = Headers(headers.items())  # type: ignore[assignment]
        self._given = body
        self.status, self.sent, self.told = 500, b"", Headers()
        self._handle()

    def _read_body(self) -> bytes:
        return self._given

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status = status
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.told = Headers({**told, "Content-Length": str(len(body))}.items())
        self.sent = b"" if self.command == "HEAD" else body


class _Sent:
    """The body of an answer, as a connection has it."""

    def __init__(self, body: bytes) -> None:
        self._body = BytesIO(body)

    def readinto(self, buffer: memoryview, /) -> int:
        return self._body.readinto(buffer)

    def readline(self, most: int) -> bytes:
        raise AssertionError("the model sends no chunks")

    def give_back(self) -> None: ...

    def close(self) -> None: ...

    def shut_down(self) -> None: ...


class Registry:
    """What all writers share.

    Attributes:
        repositories: What is in it.
        moves: Every tag that was written, with its digest and who wrote it.
    """

    def __init__(self, *, api: bool, drops_untagged: bool) -> None:
        self.repositories: dict[str, Repository] = {}
        self.moves: list[tuple[str, str, str]] = []
        self._server = SimpleNamespace(
            repositories=self.repositories, page=1000, lock=threading.Lock(), api=api, drops_untagged=drops_untagged
        )

    def answer(self, who: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> _Direct:
        parts = urlsplit(url)
        done = _Direct(
            self._server, method, f"{parts.path}?{parts.query}" if parts.query else parts.path, headers, body
        )
        target = parts.path.rpartition("/manifests/")[2]
        if method == "PUT" and "/manifests/" in parts.path and ":" not in target and done.status == 201:
            self.moves.append((target, done.told["Docker-Content-Digest"], who))
        return done


class Writer:
    """One process of the model.

    Attributes:
        name: Who it is.
        result: What it returned, or raised.
        killed: Whether it was killed.
    """

    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        self.name = name
        self.result: Any = None
        self.killed = False
        self.done = False
        self.wakes: float | None = None
        self.kill_after = False
        self._work = work
        self._go, self._parked = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._parked.acquire()

    def step(self, *, kill: str = "") -> None:
        """Let it go on to its next request; ``kill`` it ``before`` the one it is at, or ``after`` it."""
        self.killed = self.killed or kill == "before"
        self.kill_after = kill == "after"
        self._go.release()
        self._parked.acquire()

    def park(self, wakes: float | None = None) -> None:
        """Called by its thread: stop until it is told to go on."""
        if self.killed:
            raise Killed
        self.wakes = wakes
        self._parked.release()
        self._go.acquire()
        self.wakes = None
        if self.killed:
            raise Killed

    def sent(self) -> None:
        """Called by its thread when its request was answered."""
        if self.kill_after:
            self.killed = True
            raise Killed

    def _run(self) -> None:
        _here.writer = self
        try:
            with at_most(1):
                self.park()
                self.result = self._work()
        except BaseException as error:
            self.result = error
        self.done = True
        self._parked.release()


_here = threading.local()


class Model:
    """The registry, the clock, the requests so far, and the writers of one run."""

    def __init__(self, *, api: bool = False, drops_untagged: bool = True) -> None:
        self.registry = Registry(api=api, drops_untagged=drops_untagged)
        self.now = 0.0
        self.requests = 0
        self.writers: list[Writer] = []

    def start(self, name: str, work: Callable[[], Any]) -> Writer:
        """Start a writer, which stops before it does anything."""
        writer = Writer(name, work)
        self.writers.append(writer)
        return writer

    def ready(self) -> list[Writer]:
        """Who can go on now. Where all only wait, the clock moves on to the first that wakes."""
        left = [writer for writer in self.writers if not writer.done]
        ready = [writer for writer in left if writer.wakes is None or writer.wakes <= self.now]
        if left and not ready:
            self.now = min(writer.wakes for writer in left if writer.wakes is not None)
            return self.ready()
        return ready

    def run(self) -> None:
        """Let all that are left finish, one after the other."""
        while ready := self.ready():
            ready[0].step()

    # --- what the code under test is given instead of a network and a clock ------------------------------------

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, timeouts: object, control: object
    ) -> Response:
        writer: Writer | None = getattr(_here, "writer", None)
        data = body if isinstance(body, bytes) else b"".join(bytes(part) for part in body or ())
        if writer is not None:
            writer.park()
        self.requests += 1
        answer = self.registry.answer(writer.name if writer else "main", method, url, headers, data)
        if writer is not None:
            writer.sent()
        return Response(method, Head(1, answer.status, answer.told), _Sent(answer.sent))

    def sleep(self, seconds: float) -> None:
        writer: Writer | None = getattr(_here, "writer", None)
        if writer is None:
            self.now += max(seconds, 0.0)
        elif seconds > 0:
            writer.park(self.now + seconds)


@contextmanager
def interleaved(*, api: bool, drops_untagged: bool) -> Iterator[Model]:
    """Until the block ends, all registries are the model's, and so is the time that waiting takes."""
    model = Model(api=api, drops_untagged=drops_untagged)
    pools = SimpleNamespace(request=model.request, close=lambda: None, connections=Connections())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "Pools", lambda options: pools)
        for module in (swap, referrers_list, tags_list, repository, backoff):
            patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: model.now), raising=False)
        # The same again each time, and not the same for all: writers that wait equally long would stay in step.
        chance = Random(0)
        patch.setattr(backoff, "up_to", lambda bound: chance.uniform(0, bound))
        patch.setattr(referrers_list, "random", Random(0))
        patch.setattr(Control, "sleep", lambda control, seconds: model.sleep(seconds))
        # The writers of the model are processes of their own, which share no lock.
        patch.setattr(referrers_list, "_turn", lambda where: nullcontext())
        for value in vars(Candidate).values():
            if isinstance(value, cached_property):  # before Python 3.12 one lock for all instances
                patch.setattr(value, "lock", nullcontext(), raising=False)
        try:
            yield model
        finally:  # also where a schedule is given up in the middle: their threads would stay
            for writer in model.writers:
                while not writer.done:
                    writer.step(kill="before")

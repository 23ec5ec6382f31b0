"""A slow link, made here: a TCP proxy that gives every connection a bandwidth and a round trip of its own.

That is how registries in clouds and the Hub look from a machine with a good line: 20 MB/s for each connection, however
many there are, and some tens of milliseconds. A byte arrives half a round trip after it was sent, no faster than the
rate, and the first one waits a whole round trip more, for the handshake. What a real link has besides is left out: lost
packets, the slow start of a connection, a limit shared by all, TLS.

Run as a process of its own, so that its work is on no measured process's account:
``python -m benchmarks.link_proxy HOST:PORT MB_PER_SECOND ROUND_TRIP_MS`` prints its address and ends with its input.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PIECE = 64 * 1024
"""Bytes that are given on at a time: 3 ms at 20 MB/s."""


@dataclass(frozen=True)
class Link:
    """What each connection gets.

    Attributes:
        rate: Bytes a second, in each direction.
        round_trip: Seconds.
    """

    rate: float
    round_trip: float


class Way:
    """One direction of one connection: takes bytes from a socket, and gives them to the other when they are due."""

    def __init__(self, link: Link, *, after: float = 0.0) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._free = self._loop.time() + after  # when the line has sent all it was given
        self._under_way: deque[tuple[float, bytes]] = deque()  # due at, bytes; no bytes for the end
        self._size = 0
        self._most = 2 * PIECE + int(link.rate * link.round_trip)  # what the line and the buffers at its ends hold
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = False
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None

    def send(self, data: bytes) -> None:
        """Take bytes; without any, the end."""
        for start in range(0, len(data), PIECE) or (0,):
            piece = data[start : start + PIECE]
            self._free = max(self._free, self._loop.time()) + len(piece) / self._link.rate
            self._under_way.append((self._free + self._link.round_trip / 2, piece))
        self._size += len(data)
        if self._size >= self._most and self.source is not None:
            self.source.pause_reading()
        self._deliver()

    def block(self, blocked: bool) -> None:
        """Wait while whoever receives does not read; or go on."""
        self._blocked = blocked
        self._deliver()

    def _deliver(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._under_way and self.sink is not None and not self._blocked:
            due, data = self._under_way[0]
            if due - self._loop.time() > 0.0002:  # a timer is not more exact than that
                self._timer = self._loop.call_at(due, self._deliver)
                return
            self._under_way.popleft()
            if not data:
                self.sink.close()
                return
            self._size -= len(data)
            self.sink.write(data)
            if self._size < self._most and self.source is not None and not self.source.is_closing():
                self.source.resume_reading()


class End(asyncio.Protocol):
    """The proxy's end of a connection: what comes in goes ``out``, what comes by ``back`` is written to it."""

    def __init__(self, out: Way, back: Way) -> None:
        self._out = out
        self._back = back

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to read and to write."""
        assert isinstance(transport, asyncio.Transport)
        self._out.source = self._back.sink = transport
        self._back.block(False)

    def data_received(self, data: bytes) -> None:
        """Put bytes on the line."""
        self._out.send(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell the other end, as late as it would learn."""
        self._out.send(b"")

    def pause_writing(self) -> None:
        """Hold back what arrives."""
        self._back.block(True)

    def resume_writing(self) -> None:
        """Go on."""
        self._back.block(False)


async def serve(host: str, port: int, link: Link) -> asyncio.Server:
    """Listen on a free port of the loopback interface; every connection gets one of its own to ``host:port``."""
    loop = asyncio.get_running_loop()
    dialling: set[asyncio.Task[None]] = set()

    def accept() -> End:
        up, down = Way(link, after=link.round_trip), Way(link)

        async def dial() -> None:
            try:
                await loop.create_connection(lambda: End(down, up), host, port)
            except OSError:
                down.send(b"")

        task = loop.create_task(dial())
        dialling.add(task)
        task.add_done_callback(dialling.discard)
        return End(up, down)

    return await loop.create_server(accept, "127.0.0.1", 0, backlog=512)


@contextmanager
def slow_link(address: str, rate: float = 20, round_trip: float = 30) -> Iterator[str]:
    """A link to ``host:port`` in a process of its own; the ``host:port`` to use instead.

    Args:
        address: Where it leads.
        rate: MB/s (10^6 bytes) of each connection, in each direction.
        round_trip: Milliseconds.
    """
    command = [sys.executable, "-m", "benchmarks.link_proxy", address, str(rate), str(round_trip)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


async def main(address: str, rate: float, round_trip: float) -> None:
    """Serve until the standard input ends."""
    host, _, port = address.rpartition(":")
    server = await serve(host, int(port), Link(rate * 1e6, round_trip / 1000))
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))

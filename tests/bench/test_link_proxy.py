"""The slow link of the benchmarks: only that it is no faster than it says, for a slower machine is no fault."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.link_proxy import slow_link

MB = 1_000_000


@contextmanager
def echo() -> Iterator[str]:
    """A server that sends back what it gets, and hangs up after the word ``bye``."""

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
                if data.endswith(b"bye"):
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def dial(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def receive(connection: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (data := connection.recv(65536)):
        got += data
    return bytes(got)


def round_trip(connection: socket.socket, data: bytes) -> bytes:
    sender = threading.Thread(target=connection.sendall, args=(data,))
    sender.start()
    got = receive(connection, len(data))
    sender.join()
    return got


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    with echo() as server, slow_link(server, rate=20, round_trip=30) as address:
        yield address


def test_every_byte_comes_as_it_was_sent_on_many_connections_at_a_time(link: str) -> None:
    sent = [random.Random(index).randbytes(300_000 + index) for index in range(8)]
    got: dict[int, bytes] = {}

    def run(index: int) -> None:
        with dial(link) as connection:
            got[index] = round_trip(connection, sent[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(sent))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[index] for index in range(len(sent))] == sent


def test_the_first_answer_takes_two_round_trips_and_the_next_one(link: str) -> None:
    started = time.monotonic()
    with dial(link) as connection:
        assert round_trip(connection, b"first") == b"first"
        assert time.monotonic() - started >= 0.06
        started = time.monotonic()
        assert round_trip(connection, b"next") == b"next"
        assert time.monotonic() - started >= 0.03


def test_a_connection_has_no_more_than_its_bandwidth(link: str) -> None:
    with dial(link) as connection:
        started = time.monotonic()
        round_trip(connection, bytes(4 * MB))
        assert time.monotonic() - started >= 4 / 20


def test_the_end_of_a_connection_comes_after_all_it_sent(link: str) -> None:
    with dial(link) as connection:
        connection.sendall(bytes(MB) + b"bye")
        assert receive(connection, 2 * MB) == bytes(MB) + b"bye"


def test_a_server_that_is_away_hangs_up() -> None:
    with echo() as gone:
        pass
    with slow_link(gone) as address, dial(address) as connection:
        assert receive(connection, 1) == b""

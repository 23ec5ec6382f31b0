"""One large blob by several connections, over a link that limits each: a real registry behind a proxy that slows it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, fast, read, some_bytes
from fault_proxy import Fault, FaultProxy, Handler, Link, Reply, Seen, answer, drop, fault_proxy

from kitops_core.errors import CancelledError, IntegrityError, RegistryError
from kitops_core.events import Cancel, Control
from kitops_core.lanes import at_most
from kitops_core.storage.registry import RegistryRepository

pytestmark = pytest.mark.usefixtures("quiet_processor")
SIZE = 28 * 1024 * 1024 + 12345
DATA = some_bytes(SIZE)
BLOB = describe(DATA)


def lying(edit: dict[str, str | None]) -> Fault:
    """Change the headers of a part, and send it."""

    def fault(handler: Handler, seen: Seen) -> Reply:
        reply = handler.forward(seen)
        for name, value in edit.items():
            reply.headers.pop(name, None)
            if value is not None:
                reply.headers[name] = value
        return reply

    return fault


def cutting(size: int) -> Fault:
    def fault(handler: Handler, seen: Seen) -> Reply:
        reply = handler.forward(seen)
        reply.cut = size
        return reply

    return fault


def whole(handler: Handler, seen: Seen) -> Reply:
    """What a registry does that knows of no ranges."""
    del seen.headers["Range"]
    return handler.forward(seen)


def altered(handler: Handler, seen: Seen) -> Reply:
    reply = handler.forward(seen)
    reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:]
    return reply


def patient(address: str, name: str, **settings: Any) -> RegistryRepository:
    """A repository, for tests that move megabytes on a machine that may be busy."""
    return RegistryRepository(address, name, fast(timeout=60.0, **settings))


@pytest.fixture(scope="module")
def name(registry: str) -> str:
    """A repository that has the blob."""
    name = f"parts/{uuid4().hex}"
    repository = patient(registry, name)
    repository.write_blob(Bytes(DATA, buffer=1 << 20), Control())
    repository.close()
    return name


@pytest.fixture
def repository(faults: FaultProxy, name: str) -> Iterator[RegistryRepository]:
    repository = patient(faults.address, name)
    yield repository
    repository.close()


def test_a_large_blob_comes_by_several_connections_where_one_is_slow(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.every = Link()
    assert read(repository, BLOB) == DATA
    assert len(faults.parts()) >= 4
    assert len(set(faults.parts())) == len(faults.parts())
    assert faults.count("GET") == len(faults.parts()) + 1


def late(handler: Handler, seen: Seen) -> None:
    """The first connection has passed such a part before it comes."""
    time.sleep(0.5)


@pytest.mark.parametrize("most", [2, 3, 8])
def test_parts_that_come_too_late_are_passed_over(
    faults: FaultProxy, repository: RegistryRepository, most: int
) -> None:
    faults.every = Link(*[late] * (most - 1))
    with at_most(most):
        control = Control()
    with control.lanes.one(), repository.open_blob(BLOB, control) as reader:
        assert b"".join(bytes(chunk) for chunk in reader.chunks(64 * 1024)) == DATA


def test_a_large_blob_comes_by_one_connection_where_that_is_all_that_may_be_used(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.every = Link()
    with at_most(1):
        control = Control()
    assert read(repository, BLOB, control) == DATA
    assert faults.count("GET") == 1


@pytest.mark.parametrize(
    "fault",
    [drop(), cutting(1_000_000), cutting(0), answer(500), answer(429, Retry_After="0")],
    ids=["drop", "cut", "cut at once", "500", "429"],
)
def test_parts_that_break_off_are_fetched_again(
    faults: FaultProxy, repository: RegistryRepository, fault: Fault
) -> None:
    faults.every = Link(None, fault, None, fault, fault)
    events = Events()
    assert read(repository, BLOB, events.control) == DATA
    assert len(faults.parts()) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("proven", [0, 2])
@pytest.mark.parametrize(
    "fault",
    [
        whole,
        answer(416),
        lying({"Content-Range": None}),
        lying({"Content-Range": f"bytes 0-4194303/{SIZE}"}),
        lying({"Content-Range": "bytes 1-2/3"}),
    ],
    ids=["whole", "416", "untold", "elsewhere", "nonsense"],
)
def test_a_registry_that_sends_no_parts_is_read_by_one_connection_to_the_end(
    faults: FaultProxy, repository: RegistryRepository, fault: Fault, proven: int
) -> None:
    faults.every = Link(*[None] * proven, *[fault] * 99)
    assert read(repository, BLOB) == DATA
    assert len(faults.parts()) < 20


def test_a_part_that_was_altered_is_noticed(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.every = Link(None, altered)
    with pytest.raises(IntegrityError, match="was altered"):
        read(repository, BLOB)


def test_a_registry_that_is_gone_half_way_is_waited_for(faults: FaultProxy, name: str) -> None:
    link, gone = Link(), []

    def fault(handler: Handler, seen: Seen) -> Reply | None:
        if len(faults.parts()) > 3 and len(gone) < 12:
            gone.append(seen.path)
            return drop()(handler, seen)
        return link(handler, seen)

    waiting = patient(faults.address, name, keep_trying=60)
    faults.every = fault
    events = Events()
    assert read(waiting, BLOB, events.control) == DATA
    assert len(gone) == 12
    waiting.close()


def test_a_registry_that_stays_away_is_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    link = Link()

    def fault(handler: Handler, seen: Seen) -> Reply | None:
        return drop()(handler, seen) if len(faults.parts()) > 3 else link(handler, seen)

    faults.every = fault
    with pytest.raises(RegistryError, match="cannot read the blob"):
        read(repository, BLOB)


def test_who_stops_reading_parts_waits_for_none_of_them(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.every = Link()
    cancel = Cancel()
    reader = repository.open_blob(BLOB, Control(None, cancel))
    buffer = bytearray(256 * 1024)
    while len(faults.parts()) < 4:
        reader.readinto(buffer)
    started = time.monotonic()
    cancel.cancel()
    with pytest.raises(CancelledError):
        reader.readinto(buffer)
    reader.close()
    assert time.monotonic() - started < 2  # a fifth of a second on a machine that is not busy
    deadline = time.monotonic() + 10
    while any(thread.name == "kitops-part" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_place_that_a_registry_sends_us_on_to_is_asked_for_once(registry: str, name: str) -> None:
    with fault_proxy(registry) as faults, fault_proxy(registry) as storage:
        repository = patient(faults.address, name)
        signed = f"http://{storage.address}/v2/{name}/blobs/{BLOB.digest}?signature=1"
        faults.fault("GET", "/blobs/", answer(307, Location=signed), times=99)
        storage.every = Link()
        assert read(repository, BLOB) == DATA
        assert len(storage.parts()) >= 4
        assert faults.count("GET", "/blobs/") == 1
        repository.close()


def test_a_place_that_has_expired_is_asked_for_again(registry: str, name: str) -> None:
    with fault_proxy(registry) as faults, fault_proxy(registry) as storage:
        repository = patient(faults.address, name)
        link = Link()

        def expiring(handler: Handler, seen: Seen) -> Reply | None:
            """The first signature is good for five requests."""
            if "signature=1" in seen.path and storage.count("GET", "signature=1") > 5:
                return answer(403)(handler, seen)
            return link(handler, seen)

        def sign(handler: Handler, seen: Seen) -> Reply | None:
            if seen.method != "GET":
                return None
            number = faults.count("GET", "/blobs/")
            signed = f"http://{storage.address}/v2/{name}/blobs/{BLOB.digest}?signature={number}"
            return answer(307, Location=signed)(handler, seen)

        faults.every, storage.every = sign, expiring
        assert read(repository, BLOB) == DATA
        assert storage.count("GET", "signature=2") >= 1
        assert faults.count("GET", "/blobs/") == 2
        repository.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_to_the_parts_the_bytes_are_right(
    faults: FaultProxy, repository: RegistryRepository, seed: int
) -> None:
    chance = random.Random(seed)
    kinds: list[Fault | None] = [None, None, None, late, drop(), cutting(0), cutting(70_000), answer(503)]
    happens = chance.choices(kinds, k=30)
    faults.every = Link(*happens, *[None] * 200, rate=chance.choice([5e6, 20e6, 60e6]))
    with at_most(chance.choice([2, 3, 5, 9, 32])):
        control = Control()
    with control.lanes.one(), repository.open_blob(BLOB, control) as reader:
        assert b"".join(bytes(chunk) for chunk in reader.chunks(chance.choice([4096, 65536, 1 << 20]))) == DATA

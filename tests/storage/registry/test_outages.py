"""A registry that is away, or asks to be left alone, is waited for by time, from every request alike.

And whoever waits stops at once when cancelled, however deep in a wait.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from itertools import pairwise
from uuid import uuid4

import pytest
from blob_tools import ARTIFACT_TYPE, Bytes, Events, describe, fast, put_kit, read, some_bytes
from fault_proxy import FaultProxy, answer, delay, fault_proxy, late_proxy
from registry_fixture import PASSWORD, USERNAME, TokenRegistry, free_port
from stopping import SOON, seconds_to_stop

from kitops_core.errors import CancelledError, RegistryError
from kitops_core.events import Cancel, Control
from kitops_core.oci.manifest import build_manifest
from kitops_core.storage.registry import RegistryOptions, RegistryRepository
from kitops_core.storage.registry.addresses import until_cancelled

DATA = some_bytes(300_000)
KIT = build_manifest(artifact_type=ARTIFACT_TYPE, config=describe(DATA), layers=[describe(DATA)])
Use = Callable[[RegistryRepository, Control], object]
LONG = 15.0


def write(repository: RegistryRepository, control: Control) -> None:
    repository.write_blob(Bytes(DATA), control)


def download(repository: RegistryRepository, control: Control) -> None:
    read(repository, describe(DATA), control)


USES: dict[str, Use] = {
    "tag": lambda repository, control: repository.resolve("v1"),
    "manifest": lambda repository, control: repository.manifest("v1"),
    "tags": lambda repository, control: list(repository.tags()),
    "referrers": lambda repository, control: repository.referrers(describe(DATA).digest),
    "store": lambda repository, control: repository.put_manifest(KIT, ["v2"]),
    "upload": write,
    "download": download,
    "ping": lambda repository, control: repository.ping(),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)
every_use_at_length = pytest.mark.parametrize(
    "use",
    [
        pytest.param(use, id=id, marks=() if id in ("manifest", "upload") else pytest.mark.slow)
        for id, use in USES.items()
    ],
)
"""Where each waits for a second or more; a read and a write are enough for the fast tests."""


@pytest.fixture
def name(registry: str) -> str:
    """A repository with a kit and a blob."""
    name = f"outages/{uuid4().hex}"
    repository = RegistryRepository(registry, name, fast())
    put_kit(repository, ("v1",))
    repository.write_blob(Bytes(DATA), Control())
    repository.close()
    return name


# --- as long as it takes ---------------------------------------------------------------------------------------


@every_use
def test_a_registry_that_is_down_for_a_while_is_waited_for(registry: str, name: str, use: Use) -> None:
    events = Events()
    with late_proxy(registry, 0.2) as address:
        repository = RegistryRepository(address, name, RegistryOptions(keep_trying=60, backoff=0.1), events.control)
        use(repository, events.control)
        repository.close()
    assert events.of("retry")[0].detail.startswith(f"{address} does not answer: the connection was refused; trying")


@pytest.mark.slow
def test_a_registry_that_is_down_for_half_a_minute_is_waited_for_and_said_so_every_few_seconds(
    registry: str, name: str
) -> None:
    told: list[float] = []
    control = Control(lambda event: told.append(time.monotonic()) if event.phase == "retry" else None)
    with late_proxy(registry, 30.0) as address:
        repository = RegistryRepository(address, name, control=control)
        repository.write_blob(Bytes(DATA), control)
        repository.close()
    gaps = [later - earlier for earlier, later in pairwise(told)]
    assert len(gaps) > 2
    assert min(gaps) > 4.9
    assert max(gaps) < 16


@every_use_at_length
def test_a_registry_that_asks_to_wait_gets_what_it_asks_for(faults: FaultProxy, name: str, use: Use) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        faults.fault(method, "", answer(429, Retry_After="1"))
    events = Events()
    repository = RegistryRepository(faults.address, name, fast(keep_trying=60), events.control)
    start = time.monotonic()
    use(repository, events.control)
    repository.close()
    assert time.monotonic() - start >= 1
    assert f"{faults.address} answers 429; trying again in 1 s" == events.of("retry")[0].detail


def test_a_date_to_wait_for_is_waited_for(faults: FaultProxy, name: str) -> None:
    faults.fault("HEAD", "manifests", answer(503, Retry_After=formatdate(time.time() + 2, usegmt=True)))
    repository = RegistryRepository(faults.address, name, fast(keep_trying=60))
    start = time.monotonic()
    repository.resolve("v1")
    repository.close()
    assert time.monotonic() - start >= 0.5


def test_a_registry_that_asks_to_wait_longer_than_we_try_is_not_waited_for(faults: FaultProxy, name: str) -> None:
    faults.fault("HEAD", "manifests", answer(429, Retry_After="4000"), times=9)
    repository = RegistryRepository(faults.address, name)
    with pytest.raises(RegistryError, match="429") as caught:
        repository.resolve("v1")
    repository.close()
    assert "asks to wait 4000 s, longer than we keep trying" in caught.value.hint
    assert faults.count("HEAD") == 1


@every_use
def test_an_outage_that_lasts_longer_than_we_try_is_an_error_that_says_how_long_it_was_tried(
    name: str, use: Use
) -> None:
    events = Events()
    options = fast(keep_trying=0.3)
    repository = RegistryRepository(f"127.0.0.1:{free_port()}", name, options, events.control)
    with pytest.raises(RegistryError, match="the connection was refused") as caught:
        use(repository, events.control)
    repository.close()
    assert "it was tried again for 0 s" in caught.value.hint


def test_what_is_asked_once_is_not_asked_again(faults: FaultProxy, name: str) -> None:
    faults.fault("HEAD", "", answer(503), times=9)
    repository = RegistryRepository(faults.address, name, fast(keep_trying=0))
    with pytest.raises(RegistryError, match="503"):
        repository.resolve("v1")
    repository.close()
    assert faults.count("HEAD") == 1


def test_many_who_wait_for_one_registry_say_so_once(faults: FaultProxy, name: str) -> None:
    faults.fault("HEAD", "", answer(503), times=40)
    events = Events()
    repository = RegistryRepository(faults.address, name, fast(keep_trying=60), events.control)
    threads = [threading.Thread(target=repository.resolve, args=("v1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repository.close()
    assert faults.count("HEAD") == 48
    assert len(events.of("retry")) == 1


def test_a_token_service_that_is_away_is_waited_for_and_named(token_registry: TokenRegistry) -> None:
    service = token_registry.service.realm.split("/")[2]
    with fault_proxy(service) as tokens, fault_proxy(token_registry.address) as front:
        realm = f'Bearer realm="http://{tokens.address}/token",service="test-registry",scope="repository:o/t:pull,push"'
        front.fault("POST", "uploads/$", answer(401, WWW_Authenticate=realm))
        tokens.fault("GET", "token", answer(429, Retry_After="1"))
        events = Events()
        options = fast(username=USERNAME, password=PASSWORD, keep_trying=60)
        repository = RegistryRepository(front.address, "o/t", options, events.control)
        repository.write_blob(Bytes(DATA), events.control)
        repository.close()
    said = events.of("retry")[0].detail
    assert said == f"the token service of {front.address} answers 429; trying again in 1 s"


# --- until somebody says stop ----------------------------------------------------------------------------------


@every_use
def test_a_wait_that_the_registry_asked_for_ends_when_cancelled(faults: FaultProxy, name: str, use: Use) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        faults.fault(method, "", answer(429, Retry_After="60"))

    def work(control: Control) -> None:
        use(RegistryRepository(faults.address, name, RegistryOptions(), control), control)

    assert seconds_to_stop(work, when=lambda: bool(faults.seen)) < SOON


@every_use
def test_waiting_for_a_registry_that_is_down_ends_when_cancelled(name: str, use: Use) -> None:
    address = f"127.0.0.1:{free_port()}"

    def work(control: Control) -> None:
        use(RegistryRepository(address, name, RegistryOptions(backoff=30), control), control)

    assert seconds_to_stop(work, when=lambda: True) < SOON


@every_use
def test_waiting_for_a_registry_that_takes_a_request_and_is_silent_ends_when_cancelled(
    faults: FaultProxy, name: str, use: Use
) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        faults.fault(method, "", delay(LONG))

    def work(control: Control) -> None:
        use(RegistryRepository(faults.address, name, RegistryOptions(), control), control)

    assert seconds_to_stop(work, when=lambda: bool(faults.seen)) < SOON


@contextmanager
def silent_server(*, accept: bool = True) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that says nothing, not even in a TLS handshake; ``accept=False`` does not even finish connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        came: list[socket.socket] = []
        if not accept:
            came += [socket.create_connection(server.getsockname()) for _ in range(1)]

        def take() -> None:
            try:
                came.append(server.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take, daemon=True)
        if accept:
            thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for sock in came:
                sock.close()


@pytest.mark.parametrize("tls", [False, True])
def test_waiting_for_a_server_that_says_nothing_at_all_ends_when_cancelled(tls: bool) -> None:
    with silent_server() as (address, came):

        def work(control: Control) -> None:
            RegistryRepository(address, "o/x", RegistryOptions(plain_http=not tls), control).resolve("v1")

        assert seconds_to_stop(work, when=lambda: bool(came)) < SOON


def test_waiting_for_a_connection_ends_when_cancelled() -> None:
    with silent_server(accept=False) as (address, _):

        def work(control: Control) -> None:
            RegistryRepository(address, "o/x", RegistryOptions(), control).resolve("v1")

        assert seconds_to_stop(work, when=lambda: True) < SOON


def test_waiting_for_a_name_server_ends_when_cancelled() -> None:
    """Its answer cannot be awaited otherwise than in a thread; what is left to itself there ends by itself."""
    done = threading.Event()
    assert seconds_to_stop(lambda control: until_cancelled(lambda: done.wait(LONG), control), when=lambda: True) < SOON
    done.set()


def test_a_download_that_stalls_ends_when_cancelled(faults: FaultProxy, name: str) -> None:
    events = Events()
    whole = threading.Event()

    def stall(handler: object, seen: object) -> None:
        whole.set()
        time.sleep(LONG)

    faults.fault("GET", "/blobs/", stall)  # type: ignore[arg-type]

    def work(control: Control) -> None:
        download(RegistryRepository(faults.address, name, RegistryOptions(), events.control), control)

    assert seconds_to_stop(work, when=whole.is_set) < SOON


def test_an_upload_to_a_registry_that_takes_nothing_more_ends_when_cancelled(faults: FaultProxy, name: str) -> None:
    faults.fault("PATCH", "", delay(LONG))

    def work(control: Control) -> None:
        repository = RegistryRepository(faults.address, name, RegistryOptions(), Control())
        repository.write_blob(Bytes(some_bytes(24 << 20)), control)

    assert seconds_to_stop(work, when=lambda: faults.count("PATCH") > 0) < SOON


@pytest.mark.parametrize("fault", [delay(LONG), answer(429, Retry_After="60")], ids=["silent", "429"])
def test_waiting_for_a_token_ends_when_cancelled(faults: FaultProxy, fault: object) -> None:
    with fault_proxy(faults.upstream) as tokens:
        realm = f'Bearer realm="http://{tokens.address}/token",service="x"'
        faults.fault("HEAD", "", answer(401, WWW_Authenticate=realm))
        tokens.fault("GET", "token", fault)  # type: ignore[arg-type]

        def work(control: Control) -> None:
            RegistryRepository(faults.address, "o/x", RegistryOptions(), control).resolve("v1")

        assert seconds_to_stop(work, when=lambda: bool(tokens.seen)) < SOON


def test_who_waits_behind_another_for_a_token_ends_when_cancelled(faults: FaultProxy) -> None:
    with fault_proxy(faults.upstream) as tokens:
        realm = f'Bearer realm="http://{tokens.address}/token",service="x"'
        faults.fault("HEAD", "", answer(401, WWW_Authenticate=realm))
        tokens.fault("GET", "token", delay(LONG))
        options, other = RegistryOptions(), Cancel()
        first = RegistryRepository(faults.address, "o/x", options, Control(cancel=other))

        def ask_first() -> None:
            with pytest.raises(CancelledError):
                first.resolve("v1")

        thread = threading.Thread(target=ask_first)
        thread.start()
        while not tokens.seen:
            time.sleep(0.01)

        def work(control: Control) -> None:
            second = RegistryRepository(faults.address, "o/x", options, control)
            second._endpoint.transport.auth = first._endpoint.transport.auth
            second.resolve("v1")

        assert seconds_to_stop(work, when=lambda: True) < SOON
        other.cancel()
        thread.join()


def test_watching_a_swapped_tag_ends_when_cancelled(registry: str, name: str) -> None:
    repository = RegistryRepository(registry, name, fast(settle=30))
    kit = put_kit(repository)

    def work(control: Control) -> None:
        repository.swap_tag(kit, "prod", "", control=control)

    assert seconds_to_stop(work, when=lambda: "prod" in list(repository.tags())) < SOON
    repository.close()


def test_an_operation_that_is_cancelled_breaks_no_other_of_the_same_client(faults: FaultProxy, name: str) -> None:
    faults.fault("GET", "manifests", delay(0.6), times=2)
    events, cancel = Events(), Cancel()
    other = RegistryRepository(faults.address, name, RegistryOptions(), events.control)
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(other.manifest("v1").raw))
    thread.start()

    def work(control: Control) -> None:
        RegistryRepository(faults.address, name, RegistryOptions(), control).manifest("v1")

    assert seconds_to_stop(work, when=lambda: faults.count("GET") == 2, cancel=cancel) < SOON
    thread.join()
    other.close()
    assert len(found) == 1
    assert events.of("retry") == []


def test_a_switch_wakes_all_who_wait_for_it_and_can_be_flipped_twice() -> None:
    cancel, woken = Cancel(), []
    threads = [threading.Thread(target=lambda: woken.append(cancel.wait(10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    cancel.cancel()
    cancel.cancel()
    for thread in threads:
        thread.join(2)
    assert woken == [True] * 4
    assert cancel.wait(10)

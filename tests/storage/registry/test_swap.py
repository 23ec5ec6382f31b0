"""Moving a tag only from where it was expected, whatever comes between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from blob_tools import Events, fast, put_kit
from fault_proxy import Fault, FaultProxy, Handler, Seen, answer, change, drop, fault_proxy, lose_answer
from registry_fixture import PASSWORD, USERNAME, TokenRegistry

from kitops_core.errors import (
    CancelledError,
    ConflictError,
    InvalidInputError,
    LostRaceError,
    NotFoundError,
    RegistryError,
)
from kitops_core.events import Cancel, Control, Event
from kitops_core.oci.manifest import Manifest
from kitops_core.storage import Storage
from kitops_core.storage.local import LayoutRepository, LocalRepository, LocalStore
from kitops_core.storage.registry import RegistryOptions, RegistryRepository

pytestmark = pytest.mark.slow

SETTLE = 0.3
TAG = "prod"
ERROR = json.dumps({"errors": [{"code": "UNKNOWN", "message": "no"}]}).encode()


def now(storage: Storage, tag: str = TAG) -> str:
    try:
        return storage.resolve(tag).digest
    except NotFoundError:
        return ""


@pytest.fixture(params=["local", "layout", "registry"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Each kind of storage."""
    if request.param == "local":
        storage: Storage = LocalRepository(LocalStore(tmp_path), "example.com/swap")
    elif request.param == "layout":
        storage = LayoutRepository(tmp_path / "layout", create=True)
    else:
        options = fast(settle=SETTLE)
        storage = RegistryRepository(request.getfixturevalue("registry"), f"swap/{uuid4().hex}", options)
    with closing(storage):
        yield storage


def test_a_tag_moves_from_where_it_is_expected(anywhere: Storage) -> None:
    first, second = put_kit(anywhere, content=b"one"), put_kit(anywhere, content=b"two")
    anywhere.swap_tag(first, TAG, "")
    assert now(anywhere) == first.digest
    anywhere.swap_tag(second, TAG, first.digest)
    assert now(anywhere) == second.digest
    anywhere.swap_tag(second, TAG, second.digest)
    assert now(anywhere) == second.digest


def test_a_tag_that_is_elsewhere_stays_there_and_the_error_says_where(anywhere: Storage) -> None:
    first, second, third = (put_kit(anywhere, content=content) for content in (b"one", b"two", b"three"))
    anywhere.swap_tag(first, TAG, "")
    for expected in ("", second.digest, third.digest):
        with pytest.raises(LostRaceError, match=TAG) as caught:
            anywhere.swap_tag(third, TAG, expected)
        assert (caught.value.expected, caught.value.found) == (expected, first.digest)
        assert caught.value.exit_code == 10
    with pytest.raises(LostRaceError, match="absent") as caught:
        anywhere.swap_tag(third, "other", first.digest)
    assert caught.value.found == ""
    assert (now(anywhere), now(anywhere, "other")) == (first.digest, "")


def test_a_manifest_that_is_not_here_cannot_be_swapped_in(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with (
        closing(LocalRepository(store, "example.com/a")) as here,
        closing(LocalRepository(store, "example.com/b")) as there,
    ):
        manifest = put_kit(there)
        put_kit(here, content=b"other")
        with pytest.raises(NotFoundError):
            here.swap_tag(manifest, TAG, "")
        assert now(here) == ""


def race(openers: list[Callable[[], Storage]], manifests: list[Manifest], expected: str) -> list[str]:
    """Swap from several threads at once; the digests of those that were told they won."""
    start = threading.Barrier(len(manifests))

    def swap(open_storage: Callable[[], Storage], manifest: Manifest) -> str:
        with closing(open_storage()) as storage:
            start.wait()
            try:
                storage.swap_tag(manifest, TAG, expected)
            except LostRaceError:
                return ""
            return manifest.digest

    with ThreadPoolExecutor(len(manifests)) as pool:
        return [digest for digest in pool.map(swap, openers, manifests) if digest]


@pytest.mark.parametrize("created", [True, False])
def test_of_many_writers_at_once_exactly_one_wins_in_a_registry(registry: str, created: bool) -> None:
    name = f"swap/{uuid4().hex}"

    def opener(index: int) -> Callable[[], Storage]:
        # Options that differ, so that the writers share no connections, as in processes of their own.
        return lambda: RegistryRepository(registry, name, fast(settle=1.0, timeout=10.0 + index))

    with closing(opener(99)()) as storage:
        before = "" if created else put_kit(storage, (TAG,)).digest
        manifests = [put_kit(storage, content=bytes([index])) for index in range(6)]
        winners = race([opener(index) for index in range(6)], manifests, before)
        assert winners == [now(storage)]


def test_of_many_writers_at_once_exactly_one_wins_in_the_local_store(tmp_path: Path) -> None:
    def opener() -> Storage:
        return LocalRepository(LocalStore(tmp_path), "example.com/swap")

    with closing(opener()) as storage:
        before = put_kit(storage, (TAG,)).digest
        manifests = [put_kit(storage, content=bytes([index])) for index in range(6)]
        assert race([opener] * 6, manifests, before) == [now(storage)]


WRITER = """
import sys, time
from pathlib import Path
from kitops_core.errors import LostRaceError
from kitops_core.storage.local import LocalRepository, LocalStore
from kitops_core.storage.registry import RegistryOptions
from kitops_core.storage.registry import RegistryRepository
place, name, digest, before, at = sys.argv[1:]
if place.startswith("/"):
    storage = LocalRepository(LocalStore(Path(place)), name)
else:
    storage = RegistryRepository(place, name, RegistryOptions(settle=2.0))
manifest = storage.manifest(digest)
time.sleep(max(0.0, float(at) - time.time()))
try:
    storage.swap_tag(manifest, "prod", before)
    print(digest)
except LostRaceError:
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local store", "registry"])
def test_of_many_processes_at_once_exactly_one_wins(registry: str, tmp_path: Path, kind: str) -> None:
    name = f"example.com/swap-{uuid4().hex}"
    place = str(tmp_path) if kind == "local store" else registry
    local = LocalRepository(LocalStore(tmp_path), name)
    with closing(local if kind == "local store" else RegistryRepository(registry, name, fast())) as storage:
        before = put_kit(storage, (TAG,)).digest
        manifests = [put_kit(storage, content=bytes([index])) for index in range(5)]
        at = str(time.time() + 3.0)
        commands = [[sys.executable, "-c", WRITER, place, name, m.digest, before, at] for m in manifests]
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        winners = [line for writer in writers for line in writer.communicate(timeout=60)[0].split()]
        assert [writer.returncode for writer in writers] == [0] * 5
        assert winners == [now(storage)]


# --- a registry, a network and others that misbehave -------------------------------------------------------------


class Place:
    """A repository behind the faults: its tag stands at ``old``, and shall move to ``new``."""

    def __init__(self, faults: FaultProxy, options: dict[str, Any]) -> None:
        self.faults = faults
        self.storage = RegistryRepository(faults.address, f"swap/{uuid4().hex}", fast(**{"settle": SETTLE, **options}))
        self.direct = RegistryRepository(faults.upstream, self.storage.name.partition("/")[2], fast(settle=SETTLE))
        self.old, self.new, self.other = (put_kit(self.storage, content=content) for content in (b"o", b"n", b"x"))
        self.storage.tag(self.old.descriptor, TAG)
        faults.seen.clear()

    def swap(self, control: Control | None = None) -> None:
        self.storage.swap_tag(self.new, TAG, self.old.digest, control=control)

    def moved(self, then: Fault | None = None) -> Fault:
        """A fault: another writer moves the tag before the request goes on."""

        def fault(handler: Handler, seen: Seen) -> Any:
            self.direct.put_manifest(self.other, [TAG])
            return then(handler, seen) if then else None

        return fault

    def overwritten(self) -> Fault:
        """A fault: another writer moves the tag just after the request was done."""

        def fault(handler: Handler, seen: Seen) -> Any:
            reply = handler.forward(seen)
            self.direct.put_manifest(self.other, [TAG])
            return reply

        return fault

    def requests(self) -> list[str]:
        return [seen.method for seen in self.faults.seen]


@pytest.fixture
def options() -> dict[str, Any]:
    return {}


@pytest.fixture
def place(faults: FaultProxy, options: dict[str, Any]) -> Iterator[Place]:
    place = Place(faults, options)
    yield place
    place.storage.close()
    place.direct.close()


def test_a_swap_takes_three_requests_and_watches_for_settle(place: Place) -> None:
    started = time.monotonic()
    place.swap()
    assert time.monotonic() - started >= SETTLE
    assert place.requests() == ["HEAD", "PUT", "HEAD"]
    put = place.faults.seen[1]
    assert put.headers["If-Match"] == f'"{place.old.digest}"'
    assert now(place.direct) == place.new.digest


def test_a_tag_that_shall_be_new_is_written_on_condition_that_it_is(place: Place) -> None:
    place.storage.swap_tag(place.new, "fresh", "")
    assert place.faults.seen[1].headers["If-None-Match"] == "*"


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (drop(), ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]),
        (answer(500, ERROR), ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]),
        (answer(429, ERROR, Retry_After="0"), ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]),
        (lose_answer(), ["HEAD", "PUT", "HEAD", "HEAD"]),
    ],
    ids=["dropped before", "500", "429", "answer lost"],
)
def test_a_write_that_fails_once_is_done_after_another_look(place: Place, fault: Fault, requests: list[str]) -> None:
    place.faults.fault("PUT", TAG, fault)
    events = Events()
    place.swap(events.control)
    assert place.requests() == requests
    assert now(place.direct) == place.new.digest
    assert len(events.of("retry")) == 1


@pytest.mark.parametrize("fault", [drop(), answer(500, ERROR), answer(429, ERROR)], ids=["dropped", "500", "429"])
def test_a_write_that_always_fails_leaves_the_tag_where_it_was(place: Place, fault: Fault) -> None:
    place.faults.fault("PUT", TAG, fault, times=99)
    with pytest.raises(RegistryError) as caught:
        place.swap()
    assert not isinstance(caught.value, LostRaceError)
    assert now(place.direct) == place.old.digest


@pytest.mark.parametrize("options", [{"keep_trying": 0}])
def test_a_last_attempt_whose_answer_is_lost_counts(place: Place) -> None:
    place.faults.fault("PUT", TAG, lose_answer())
    place.swap()
    assert place.faults.count("PUT") == 1
    assert now(place.direct) == place.new.digest


@pytest.mark.parametrize("fault", [drop(), lose_answer(), answer(500, ERROR)], ids=["dropped", "answer lost", "500"])
def test_a_tag_that_moved_before_a_second_attempt_is_not_overwritten(place: Place, fault: Fault) -> None:
    def fail(handler: Handler, seen: Seen) -> Any:
        try:
            return fault(handler, seen)
        finally:
            place.direct.put_manifest(place.other, [TAG])

    place.faults.fault("PUT", TAG, fail)
    with pytest.raises(LostRaceError) as caught:
        place.swap()
    assert caught.value.found == place.other.digest == now(place.direct)


def test_a_tag_that_moves_between_look_and_write_is_ours_as_no_registry_can_tell(place: Place) -> None:
    place.faults.fault("PUT", TAG, place.moved())
    place.swap()
    assert now(place.direct) == place.new.digest


def test_a_tag_that_moves_just_after_is_a_lost_race(place: Place) -> None:
    place.faults.fault("PUT", TAG, place.overwritten())
    with pytest.raises(LostRaceError, match="overwritten") as caught:
        place.swap()
    assert caught.value.found == place.other.digest == now(place.direct)


def test_a_tag_that_was_there_already_is_watched_as_well(place: Place) -> None:
    """For who looked before may not have known that somebody stands by what it has."""
    place.storage.swap_tag(place.old, TAG, place.old.digest)
    assert place.requests() == ["HEAD", "HEAD"]
    place.faults.fault("HEAD", TAG, place.overwritten())
    with pytest.raises(LostRaceError, match="overwritten") as caught:
        place.storage.swap_tag(place.old, TAG, place.old.digest)
    assert caught.value.found == place.other.digest


def test_a_condition_that_fails_is_a_lost_race(place: Place) -> None:
    place.faults.fault("PUT", TAG, place.moved(answer(412, ERROR)))
    with pytest.raises(LostRaceError) as caught:
        place.swap()
    assert caught.value.found == place.other.digest == now(place.direct)


def test_a_tag_that_cannot_be_moved_is_a_conflict_but_no_race(place: Place) -> None:
    place.faults.fault("PUT", TAG, answer(412, ERROR))
    with pytest.raises(ConflictError) as caught:
        place.swap()
    assert not isinstance(caught.value, LostRaceError)
    assert now(place.direct) == place.old.digest


def test_a_write_that_took_longer_than_settle_warns_that_it_cannot_know_whom_it_overwrote(place: Place) -> None:
    def slow(handler: Handler, seen: Seen) -> None:
        time.sleep(SETTLE + 0.05)

    place.faults.fault("PUT", TAG, slow)
    events: list[Event] = []
    place.swap(Control(events.append))
    assert [event.name for event in events if event.phase == "warning" and "settle" in event.detail]
    assert place.new.digest == now(place.direct)


def test_a_registry_that_is_gone_after_the_write_leaves_the_outcome_open(place: Place) -> None:
    place.faults.fault("PUT", TAG, lose_answer())
    place.faults.fault("HEAD", TAG, lambda handler, seen: None)
    place.faults.fault("HEAD", TAG, drop(), times=99)
    with pytest.raises(RegistryError, match="cannot tell whether"):
        place.swap()


def test_an_entity_tag_that_never_matches_is_not_sent_as_a_condition(place: Place) -> None:
    def weaken(reply: Any) -> None:
        reply.headers["Etag"] = 'W/"x"'

    place.faults.fault("HEAD", TAG, change(weaken))
    place.swap()
    assert "If-Match" not in place.faults.seen[1].headers


def test_watching_ends_when_cancelled(faults: FaultProxy) -> None:
    place = Place(faults, {"settle": 60.0})
    cancel = Cancel()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(CancelledError, match=f"after .*{TAG} was moved to {place.new.digest}"):
        place.swap(Control(cancel=cancel))
    assert now(place.direct) == place.new.digest
    assert time.monotonic() - started < 10
    timer.join()


def test_a_swap_cancelled_before_it_began_changes_nothing(place: Place) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        place.swap(Control(cancel=cancel))
    assert now(place.direct) == place.old.digest


def test_watching_for_no_time_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="settle"):
        RegistryOptions(settle=0.0)


def test_an_expired_token_is_renewed_and_the_tag_looked_at_again(token_registry: TokenRegistry) -> None:
    with fault_proxy(token_registry.address) as faults:
        place = Place(faults, {"username": USERNAME, "password": PASSWORD})
        challenge = (
            f'Bearer realm="{token_registry.service.realm}",service="test-registry",'
            f'scope="repository:{place.storage.name.partition("/")[2]}:pull,push",error="invalid_token"'
        )
        faults.fault("PUT", TAG, answer(401, ERROR, WWW_Authenticate=challenge))
        place.swap()
        assert place.requests() == ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]
        assert now(place.storage) == place.new.digest
        place.storage.close()
        place.direct.close()

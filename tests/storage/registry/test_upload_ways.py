"""A registry that refuses a blob's bytes in one PATCH, or in the PUT, gets them in the way it takes.

The refusals are those of registries and proxies in use, made by the fault proxy before a real registry.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, fast, put_kit, read, some_bytes
from fault_proxy import Fault, FaultProxy, Handler, Reply, Seen, answer, change, drop, lose_answer

from kitops_core.errors import IntegrityError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.registry import RegistryRepository

MIB = 1 << 20
LARGE = some_bytes(9 * MIB + 5)
ALWAYS = 1 << 30
SESSION = "/blobs/uploads/"


@pytest.fixture
def repository(faults: FaultProxy) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(faults.address, f"ways/{uuid4().hex}", fast())
    yield repository
    repository.close()


def refuse(status: int, *, over: int = -1, code: str = "") -> Fault:
    """Refuse requests with more than ``over`` bytes in the body, as soon as their headers are there."""
    body = json.dumps({"errors": [{"code": code, "message": "no"}]}).encode() if code else b""

    def fault(handler: Handler, seen: Seen) -> Reply | None:
        length = seen.headers.get("Content-Length")
        large = length is None or int(length) > over  # what has no length is cut off somewhere
        return answer(status, body, read=False)(handler, seen) if large else None

    return fault


def sizes(faults: FaultProxy, method: str) -> list[int]:
    """Bytes in the bodies of the requests that the registry saw."""
    return [len(seen.body) for seen in faults.seen if seen.method == method and SESSION in seen.path and seen.body]


kinds = pytest.mark.parametrize(
    ("sized", "known"), [(True, True), (True, False), (False, False)], ids=["known", "sized", "neither"]
)


@kinds
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_registry_without_patch_gets_the_blob_in_one_put(
    faults: FaultProxy, repository: RegistryRepository, status: int, sized: bool, known: bool
) -> None:
    faults.fault("PATCH", "", refuse(status), times=ALWAYS)
    written = repository.write_blob(Bytes(LARGE, sized=sized, known=known), Control())
    assert written.descriptor == describe(LARGE)
    assert read(repository, written.descriptor) == LARGE
    assert sizes(faults, "PUT") == [len(LARGE)]


@kinds
@pytest.mark.parametrize("status", [413, 416])
def test_a_registry_that_caps_a_patch_gets_the_blob_in_chunks_of_4_mib(
    faults: FaultProxy, repository: RegistryRepository, status: int, sized: bool, known: bool
) -> None:
    faults.fault("PATCH", "", refuse(status, over=4 * MIB), times=ALWAYS)
    events = Events()
    written = repository.write_blob(Bytes(LARGE, sized=sized, known=known), events.control)
    assert written.descriptor == describe(LARGE)
    assert read(repository, written.descriptor) == LARGE
    assert sizes(faults, "PATCH") == [4 * MIB, 4 * MIB, MIB + 5]
    assert events.all[-1].done == len(LARGE)


def test_chunks_are_as_large_as_the_registry_says_they_must_be(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("POST", "", change(lambda reply: reply.headers.update({"OCI-Chunk-Min-Length": str(5 * MIB)})), ALWAYS)
    faults.fault("PATCH", "", refuse(413, over=6 * MIB), times=ALWAYS)
    assert repository.write_blob(Bytes(LARGE), Control()).descriptor == describe(LARGE)
    assert sizes(faults, "PATCH") == [5 * MIB, 4 * MIB + 5]


def test_a_proxy_that_takes_1_mib_gets_chunks_of_that(faults: FaultProxy, repository: RegistryRepository) -> None:
    for method in ("PATCH", "PUT"):
        faults.fault(method, "", refuse(413, over=MIB), times=ALWAYS)
    assert repository.write_blob(Bytes(LARGE), Control()).descriptor == describe(LARGE)
    assert sizes(faults, "PATCH") == [MIB] * 9 + [5]


@pytest.mark.parametrize("status", [404, 405])
def test_a_registry_that_takes_no_body_in_the_put_gets_small_blobs_in_a_patch(
    faults: FaultProxy, repository: RegistryRepository, status: int
) -> None:
    faults.fault("PUT", SESSION, refuse(status, over=0), times=ALWAYS)
    kit = put_kit(repository, ("v1",))
    assert repository.manifest("v1").raw == kit.raw
    assert sizes(faults, "PUT") == []
    assert sizes(faults, "PATCH") == [2, 7]


def test_a_registry_that_takes_a_first_chunk_for_the_blob_gets_it_in_one_put(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    def first_is_all(handler: Handler, seen: Seen) -> Reply | None:
        if int(seen.headers["Content-Length"]) > 4 * MIB:
            return answer(413, read=False)(handler, seen)
        return answer(201)(handler, seen)

    faults.fault("PATCH", "", first_is_all, times=ALWAYS)
    assert repository.write_blob(Bytes(LARGE), Control()).descriptor == describe(LARGE)
    assert sizes(faults, "PUT") == [len(LARGE)]


@pytest.mark.parametrize(
    ("method", "fault", "small"),
    [("PATCH", refuse(405), False), ("PATCH", refuse(413, over=4 * MIB), False), ("PUT", refuse(404, over=0), True)],
    ids=["no PATCH", "capped PATCH", "no body in PUT"],
)
def test_the_way_is_remembered_for_the_host(
    faults: FaultProxy, repository: RegistryRepository, method: str, fault: Fault, small: bool
) -> None:
    refused: list[Seen] = []

    def counted(handler: Handler, seen: Seen) -> Reply | None:
        reply = fault(handler, seen)
        refused.extend([seen] * (reply is not None))
        return reply

    faults.fault(method, SESSION, counted, times=ALWAYS)
    for seed in range(3):
        data = some_bytes(1000 if small else 5 * MIB, seed)
        repository.write_blob(Bytes(data, known=True, verified=True), Control())
        assert read(repository, describe(data)) == data
    assert len(refused) == (2 if small else 1)  # a 404 may be an upload that got lost, once


def test_a_way_found_for_large_blobs_changes_nothing_for_small_ones(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PATCH", "", refuse(413, over=4 * MIB), times=ALWAYS)
    repository.write_blob(Bytes(LARGE), Control())
    faults.seen.clear()
    put_kit(repository, ("v1",))
    assert (sizes(faults, "PATCH"), sizes(faults, "PUT")) == ([], [2, 7])


@pytest.mark.parametrize(
    "fault", [answer(429, Retry_After="0"), answer(503), drop(), drop(after=MIB)], ids=["429", "503", "drop", "cut"]
)
def test_a_chunk_that_fails_is_sent_again_alone(
    faults: FaultProxy, repository: RegistryRepository, fault: Fault
) -> None:
    faults.fault("PATCH", "", refuse(413, over=4 * MIB), times=2)
    faults.fault("PATCH", "", fault)
    source = Bytes(LARGE)
    assert repository.write_blob(source, Control()).descriptor == describe(LARGE)
    assert source.started == 2  # in one PATCH, then in chunks


def test_a_chunk_whose_answer_is_lost_starts_the_blob_again(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("PATCH", "", refuse(413, over=4 * MIB), times=2)
    faults.fault("PATCH", "", lose_answer())
    source = Bytes(LARGE)
    assert repository.write_blob(source, Control()).descriptor == describe(LARGE)
    assert source.started == 3
    assert read(repository, describe(LARGE)) == LARGE


def test_a_put_of_all_whose_answer_is_lost_is_not_sent_again(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PATCH", "", refuse(405), times=ALWAYS)
    faults.fault("PUT", "", lose_answer())
    source = Bytes(LARGE, known=True)
    assert repository.write_blob(source, Control()).descriptor == describe(LARGE)
    assert source.started == 2
    assert faults.count("PUT") == 1


def test_a_registry_that_takes_it_in_no_way_is_named_with_its_reason(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    for method in ("PATCH", "PUT"):
        faults.fault(method, SESSION, refuse(413, code="SIZE_INVALID"), times=ALWAYS)
    with pytest.raises(RegistryError, match=r"413 SIZE_INVALID \(no\)") as caught:
        repository.write_blob(Bytes(LARGE), Control())
    assert "limits how large an upload may be" in caught.value.hint
    assert faults.count("POST") == 4  # in one PATCH, chunks of 4 MiB, of 1 MiB, one PUT
    assert faults.count("DELETE") == 4


def test_a_limit_that_is_met_after_some_chunks_is_no_matter_of_the_way(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    taken: list[Seen] = []

    def quota(handler: Handler, seen: Seen) -> Reply | None:
        if int(seen.headers["Content-Length"]) > 4 * MIB or taken:
            return answer(413, read=False)(handler, seen)
        taken.append(seen)
        return None

    faults.fault("PATCH", "", quota, times=ALWAYS)
    with pytest.raises(RegistryError, match="413"):
        repository.write_blob(Bytes(LARGE), Control())
    assert faults.count("POST") == 2


def test_several_blobs_at_once_find_the_way_each(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("PATCH", "", refuse(413, over=4 * MIB), times=ALWAYS)
    blobs = [some_bytes(5 * MIB, seed) for seed in range(4)]
    threads = [threading.Thread(target=repository.write_blob, args=(Bytes(data), Control())) for data in blobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(read(repository, describe(data)) == data for data in blobs)


# --- what the registry says of the digest ----------------------------------------------------------------------

ALTERED = json.dumps({"errors": [{"code": "DIGEST_INVALID", "message": "no", "detail": {"Reason": "x"}}]}).encode()


@pytest.mark.parametrize("small", [True, False])
def test_a_digest_that_is_refused_once_is_sent_again(
    faults: FaultProxy, repository: RegistryRepository, small: bool
) -> None:
    """docker-registry 2.8 says so of one layer in a hundred that several push at once."""
    data = some_bytes(1000 if small else 400_000)
    faults.fault("PUT", SESSION, answer(400, ALTERED))
    source = Bytes(data, known=True, verified=True)
    assert repository.write_blob(source, Control()).descriptor == describe(data)
    assert source.started == 2
    assert read(repository, describe(data)) == data


def test_a_digest_that_is_refused_twice_was_altered_and_the_registrys_detail_is_shown(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PUT", SESSION, answer(400, ALTERED), times=9)
    source = Bytes(LARGE)
    with pytest.raises(IntegrityError, match=r'400 DIGEST_INVALID \(no: {"Reason": "x"}\)'):
        repository.write_blob(source, Control())
    assert source.started == 2

"""What the registry storage does when a registry, a proxy or the network misbehaves while blobs move."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, error_body, fast, put_kit, read, some_bytes
from fault_proxy import Fault, FaultProxy, Reply, answer, change, corrupt, cut, delay, drop, fault_proxy, lose_answer

from kitops_core.errors import (
    DeniedError,
    IntegrityError,
    KitOpsError,
    NotFoundError,
    RegistryError,
)
from kitops_core.events import Cancel, Control
from kitops_core.storage.registry import RegistryRepository

DATA = some_bytes(400_000)


@pytest.fixture
def repository(faults: FaultProxy) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(faults.address, f"faults/{uuid4().hex}", fast())
    yield repository
    repository.close()


# --- uploads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("POST", answer(503)),
        ("POST", drop()),
        ("PATCH", answer(500)),
        ("PATCH", answer(429)),
        ("PATCH", answer(404, error_body("BLOB_UPLOAD_UNKNOWN", "gone"))),
        ("PATCH", answer(503, read=False)),
        ("PATCH", drop()),
        ("PATCH", drop(after=150_000)),
        ("PATCH", lose_answer()),
        ("PUT", answer(500)),
        ("PUT", answer(408)),
        ("PUT", drop()),
        ("PUT", lose_answer()),
        ("PUT", answer(404, error_body("BLOB_UPLOAD_UNKNOWN", "gone"))),
    ],
)
def test_an_upload_that_fails_once_is_done_anyway(
    faults: FaultProxy, repository: RegistryRepository, method: str, fault: object, sized: bool
) -> None:
    faults.fault(method, "/blobs/uploads/", fault)  # type: ignore[arg-type]
    events = Events()
    written = repository.write_blob(Bytes(DATA, sized=sized), events.control)
    assert written.descriptor == describe(DATA)
    assert read(repository, written.descriptor) == DATA
    assert len(events.of("retry")) >= (1 if method != "PUT" or faults.count("PUT") > 1 else 0)
    assert events.all[-1].done == len(DATA)


@pytest.mark.parametrize("sized", [True, False])
def test_a_registry_that_is_content_with_a_part_gets_the_blob_again(
    faults: FaultProxy, repository: RegistryRepository, sized: bool
) -> None:
    data = some_bytes(24 << 20)  # more than fits into the buffers of a connection
    faults.fault("PATCH", "", answer(202, read=False))
    events = Events()
    assert repository.write_blob(Bytes(data, sized=sized), events.control).descriptor == describe(data)
    assert events.of("retry")
    assert read(repository, describe(data)) == data


def test_every_new_attempt_has_a_new_session_and_the_old_one_is_given_up(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PATCH", "", answer(500), times=2)
    source = Bytes(DATA)
    repository.write_blob(source, Control())
    assert source.started == 3
    assert faults.count("POST") == 3
    assert faults.count("DELETE") == 2


def test_a_cancelled_upload_gives_its_session_up(faults: FaultProxy, repository: RegistryRepository) -> None:
    cancel = Cancel()
    with pytest.raises(KitOpsError, match="cancelled"):
        repository.write_blob(Bytes(DATA, before=lambda index: cancel.cancel()), Control(cancel=cancel))
    assert faults.count("DELETE", "/blobs/uploads/") == 1


def test_an_upload_that_always_fails_ends_with_the_registrys_words(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PATCH", "", answer(503, error_body("UNAVAILABLE", "disk on fire")), times=99)
    events = Events()
    with pytest.raises(RegistryError, match=r"model\.bin.*503 UNAVAILABLE \(disk on fire\)") as caught:
        repository.write_blob(Bytes(DATA), events.control)
    assert (caught.value.status, caught.value.code) == (503, "UNAVAILABLE")
    assert "it was tried again for" in caught.value.hint
    assert faults.count("PATCH") > 3
    assert f"{faults.address} answers 503 UNAVAILABLE (disk on fire); trying again" in events.of("retry")[0].detail


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "SIZE_INVALID", RegistryError),
        (403, "DENIED", DeniedError),
        (404, "NAME_UNKNOWN", NotFoundError),
    ],
)
def test_a_refusal_is_read_even_while_the_body_is_sent_and_not_tried_again(
    faults: FaultProxy, repository: RegistryRepository, status: int, code: str, kind: type[KitOpsError]
) -> None:
    faults.fault("PATCH", "", answer(status, error_body(code, "no more than this"), read=False))
    source = Bytes(some_bytes(8_000_000))
    with pytest.raises(kind, match=rf"{status} {code} \(no more than this\)"):
        repository.write_blob(source, Control())
    assert source.started == 1


@pytest.mark.parametrize("form", ["relative", "absolute", "no scheme"])
def test_any_form_of_location_is_followed(faults: FaultProxy, repository: RegistryRepository, form: str) -> None:
    def edit(reply: Reply) -> None:
        path = reply.headers["Location"].partition(faults.address)[2]
        host = {"relative": "", "absolute": f"http://{faults.address}", "no scheme": f"//{faults.address}"}[form]
        reply.headers["Location"] = host + path

    for method in ("POST", "PATCH"):
        faults.fault(method, "", change(edit))
    assert repository.write_blob(Bytes(DATA), Control()).descriptor == describe(DATA)


def test_a_missing_location_is_an_error_that_says_so(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("POST", "", change(lambda reply: reply.headers.pop("Location")))
    with pytest.raises(RegistryError, match="names no place to send it to"):
        repository.write_blob(Bytes(DATA), Control())


def test_a_patch_without_location_keeps_the_one_of_the_session(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PATCH", "", change(lambda reply: reply.headers.pop("Location")))
    faults.fault("PUT", "", answer(201))
    assert repository.write_blob(Bytes(DATA), Control()).descriptor == describe(DATA)


def test_the_credentials_do_not_go_to_a_foreign_upload_location(registry: str) -> None:
    with fault_proxy(registry) as faults, fault_proxy(registry) as foreign:

        def edit(reply: Reply) -> None:
            reply.headers["Location"] = reply.headers["Location"].replace(faults.address, foreign.address)

        faults.fault("POST", "", change(edit))
        repository = RegistryRepository(faults.address, f"faults/{uuid4().hex}", fast(token="secret-token"))
        repository.write_blob(Bytes(DATA), Control())
        repository.close()
        assert [seen.method for seen in foreign.seen] == ["PATCH", "PUT"]
        assert all("Authorization" not in seen.headers for seen in foreign.seen)
        assert all(seen.headers["Authorization"] == "Bearer secret-token" for seen in faults.seen)


def test_another_digest_than_was_sent_is_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    other = describe(b"other").digest
    faults.fault("PUT", "", change(lambda reply: reply.headers.update({"Docker-Content-Digest": other})))
    with pytest.raises(IntegrityError, match=other):
        repository.write_blob(Bytes(DATA), Control())


def test_a_mount_that_opens_a_session_is_used_for_the_upload(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    name = f"{faults.address}/faults/empty"
    written = repository.write_blob(Bytes(DATA, known=True), Control(), mount_from=[name, name])
    assert written.outcome == "written"
    assert faults.count("POST") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_a_registry_that_does_not_mount_gets_the_bytes(
    faults: FaultProxy, repository: RegistryRepository, status: int
) -> None:
    faults.fault("POST", "mount=", answer(status), times=9)
    written = repository.write_blob(Bytes(DATA, known=True), Control(), mount_from=[f"{faults.address}/faults/x"])
    assert written.outcome == "written"


# --- waiting (outages have tests of their own) -----------------------------------------------------------------


def test_an_answer_that_does_not_come_is_asked_for_again(faults: FaultProxy) -> None:
    repository = RegistryRepository(faults.address, f"faults/{uuid4().hex}", fast(timeout=0.2, keep_trying=1))
    kit = put_kit(repository, ("v1",))
    faults.fault("GET", "manifests", delay(0.6))
    assert repository.manifest("v1").raw == kit.raw
    faults.fault("GET", "manifests", delay(0.6), times=99)
    with pytest.raises(RegistryError, match="no answer came in time"):
        repository.manifest("v1")
    repository.close()


def test_a_registry_that_pauses_while_it_takes_a_blob_is_waited_for(faults: FaultProxy) -> None:
    events, repository = Events(), RegistryRepository(faults.address, "faults/slow", fast(connect_timeout=0.2))
    faults.fault("PATCH", "", delay(0.8))
    repository.write_blob(Bytes(some_bytes(24 << 20)), events.control)
    assert events.of("retry") == []
    repository.close()


def test_a_registry_that_is_not_there_is_named(faults: FaultProxy) -> None:
    repository = RegistryRepository("127.0.0.1:1", "a/b", fast())
    with pytest.raises(RegistryError, match="connection was refused") as caught:
        repository.resolve("v1")
    assert "running" in caught.value.hint
    repository.close()


@pytest.mark.parametrize("host", ["registry.invalid", f"{'a' * 64}.example.com", "registry..example.com"])
def test_a_host_that_does_not_exist_is_not_tried_again(host: str) -> None:
    events = Events()
    repository = RegistryRepository(host, "a/b", fast(), events.control)
    with pytest.raises(RegistryError, match="host name is not known"):
        repository.resolve("v1")
    assert events.of("retry") == []
    repository.close()


# --- downloads -------------------------------------------------------------------------------------------------


def test_a_download_goes_on_where_the_connection_broke(faults: FaultProxy, repository: RegistryRepository) -> None:
    repository.write_blob(Bytes(DATA), Control())
    faults.fault("GET", "/blobs/", cut(100_000))
    faults.fault("GET", "/blobs/", cut(50_000))
    faults.fault("GET", "/blobs/", drop())
    events = Events()
    assert read(repository, describe(DATA), events.control) == DATA
    ranges = [seen.headers["Range"] for seen in faults.seen if seen.method == "GET"]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert len(events.of("retry")) == 1  # the others came so soon after it that they are not told


def test_a_registry_that_sends_no_parts_starts_again(faults: FaultProxy, repository: RegistryRepository) -> None:
    repository.write_blob(Bytes(DATA), Control())

    def whole(reply: Reply) -> None:
        reply.status, reply.body = 200, DATA
        reply.headers.pop("Content-Range", None)
        reply.headers["Content-Length"] = str(len(DATA))

    faults.fault("GET", "/blobs/", cut(100_000))
    faults.fault("GET", "/blobs/", change(whole))
    assert read(repository, describe(DATA)) == DATA


@pytest.mark.parametrize(
    "lie",
    [
        change(lambda reply: reply.headers.update({"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"})),
        change(lambda reply: reply.headers.update({"Content-Range": "bytes 100000-399999/400001"})),
        change(lambda reply: reply.headers.pop("Content-Range")),
        answer(416),
    ],
)
def test_a_registry_that_sends_another_part_than_asked_for_is_asked_for_everything(
    faults: FaultProxy, repository: RegistryRepository, lie: Fault
) -> None:
    repository.write_blob(Bytes(DATA), Control())
    faults.fault("GET", "/blobs/", cut(100_000))
    faults.fault("GET", "/blobs/", lie)
    assert read(repository, describe(DATA)) == DATA
    assert [seen.headers["Range"] for seen in faults.seen if seen.method == "GET"] == [None, "bytes=100000-", None]


def test_a_download_that_never_gets_on_ends_with_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    repository.write_blob(Bytes(DATA), Control())
    faults.fault("GET", "/blobs/", cut(100_000))
    faults.fault("GET", "/blobs/", cut(0), times=99)
    with pytest.raises(RegistryError, match="cannot read the blob"):
        read(repository, describe(DATA))


def test_a_corrupt_byte_is_noticed(faults: FaultProxy, repository: RegistryRepository) -> None:
    repository.write_blob(Bytes(DATA), Control())
    faults.fault("GET", "/blobs/", corrupt(200_000))
    with pytest.raises(IntegrityError, match="was altered"):
        read(repository, describe(DATA))


def test_more_bytes_than_the_blob_has_are_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    repository.write_blob(Bytes(DATA), Control())

    def longer(reply: Reply) -> None:
        reply.body += b"!"
        reply.headers["Content-Length"] = str(len(reply.body))

    faults.fault("GET", "/blobs/", change(longer))
    with pytest.raises(IntegrityError, match="more bytes"):
        read(repository, describe(DATA))


def test_a_blob_may_come_from_another_host_which_sees_no_credentials(
    registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with fault_proxy(registry) as faults, fault_proxy(registry) as storage:
        name = f"faults/{uuid4().hex}"
        repository = RegistryRepository(faults.address, name, fast(token="secret-token"))
        descriptor = repository.write_blob(Bytes(DATA), Control()).descriptor
        signed = f"http://{storage.address}/v2/{name}/blobs/{descriptor.digest}?X-Amz-Signature=secret-signature"
        faults.fault("GET", "/blobs/", answer(307, Location=signed), times=3)
        storage.fault("GET", "/blobs/", cut(100_000))
        assert read(repository, descriptor) == DATA
        assert all("Authorization" not in seen.headers for seen in storage.seen)
        assert [seen.headers["Range"] for seen in storage.seen] == [None, "bytes=100000-"]
        storage.fault("GET", "/blobs/", answer(403, f"<Error>{signed}</Error>".encode()))
        with pytest.raises(DeniedError) as caught:
            read(repository, descriptor)
        assert "secret" not in str(caught.value) + caught.value.hint + repr(caught.value)
        assert "secret" not in caplog.text
        repository.close()


def test_redirects_without_end_are_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("GET", "/blobs/", answer(302, Location="/v2/x/blobs/y"), times=99)
    with pytest.raises(RegistryError, match="302"):
        read(repository, describe(DATA))
    assert len(faults.seen) < 10

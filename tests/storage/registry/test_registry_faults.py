"""What the registry storage does when a registry, a proxy or the network misbehaves."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, fast, put_kit, read, some_bytes
from fault_proxy import Fault, FaultProxy, Reply, answer, change, corrupt, cut, delay, drop, fault_proxy, lose_answer

from kitops_core.errors import (
    ConflictError,
    DeniedError,
    IntegrityError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    UnlistedError,
)
from kitops_core.events import Cancel, Control
from kitops_core.oci import media_types
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, sha256_digest
from kitops_core.storage.registry import RegistryOptions, RegistryRepository

DATA = some_bytes(400_000)
LIST = "manifests/sha256-[0-9a-f]{64}$"
HTML = b"<html><body>Sign in</body></html>"


@pytest.fixture
def repository(faults: FaultProxy) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(faults.address, f"faults/{uuid4().hex}", fast())
    yield repository
    repository.close()


def error_body(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


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


# --- manifests, tags, referrers --------------------------------------------------------------------------------


def test_an_altered_manifest_is_noticed_by_tag_and_by_digest(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    kit = put_kit(repository, ("v1",))
    for target in ("v1", kit.digest):
        faults.fault("GET", "manifests", corrupt(5))
        with pytest.raises(IntegrityError, match=kit.digest):
            repository.manifest(target)


def test_an_altered_manifest_can_still_be_deleted(faults: FaultProxy, repository: RegistryRepository) -> None:
    kit = put_kit(repository, ("v1",))
    faults.fault("GET", "manifests", corrupt(5))
    repository.delete(kit.digest)
    with pytest.raises(NotFoundError):
        repository.resolve(kit.digest)


def test_a_manifest_stored_with_another_digest_is_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    other = describe(b"other").digest
    faults.fault("PUT", "manifests", change(lambda reply: reply.headers.update({"Docker-Content-Digest": other})))
    with pytest.raises(IntegrityError, match=other):
        put_kit(repository, ("v1",))


def test_an_endless_manifest_is_not_read(faults: FaultProxy, repository: RegistryRepository) -> None:
    large = b" " * (MAX_MANIFEST_BYTES + 1)
    faults.fault("GET", "manifests", answer(200, large))
    with pytest.raises(RegistryError, match=f"longer than {MAX_MANIFEST_BYTES}"):
        repository.manifest("v1")


@pytest.mark.parametrize("missing", ["Docker-Content-Digest", "Content-Type", "Content-Length"])
def test_a_registry_that_tells_too_little_of_a_tag_is_asked_for_the_manifest(
    faults: FaultProxy, repository: RegistryRepository, missing: str
) -> None:
    kit = put_kit(repository, ("v1",))
    faults.fault("HEAD", "manifests", change(lambda reply: reply.headers.pop(missing)))
    descriptor = repository.resolve("v1")
    assert (descriptor.digest, descriptor.size, descriptor.media_type) == (kit.digest, len(kit.raw), kit.media_type)


@pytest.mark.parametrize("status", [409, 412])
def test_a_tag_that_cannot_move_is_a_conflict(faults: FaultProxy, repository: RegistryRepository, status: int) -> None:
    faults.fault("PUT", "manifests", answer(status, error_body("DENIED", "tag is immutable")))
    with pytest.raises(ConflictError, match="immutable"):
        put_kit(repository, ("v1",))


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "ImageTagAlreadyExistsException", "tag exists"),
        (
            400,
            "TAG_INVALID",
            "The image tag 'v1' cannot be overwritten because the repository is immutable.",
        ),
        (403, "DENIED", "the tag v1 is immutable"),
        (409, "TAG_IMMUTABLE", ""),
    ],
)
def test_an_immutable_tag_is_a_conflict_however_a_registry_says_so(
    faults: FaultProxy, repository: RegistryRepository, status: int, code: str, message: str
) -> None:
    put_kit(repository, ("v1",))
    faults.fault("PUT", "manifests/v1", answer(status, error_body(code, message)), times=99)
    before = faults.count("PUT", "manifests/v1")
    with pytest.raises(ConflictError) as caught:
        put_kit(repository, ("v1",), b"other")
    assert caught.value.exit_code == 8
    assert "use a new tag" in caught.value.hint
    assert faults.count("PUT", "manifests/v1") == before + 1  # trying again would not help


def test_a_tag_whose_name_a_registry_does_not_take_is_told_from_one_that_fails(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("PUT", "manifests/v1", answer(400, error_body("TAG_INVALID", "tag name invalid")), times=99)
    with pytest.raises(DeniedError, match="tag name invalid") as caught:
        put_kit(repository, ("v1",))
    assert caught.value.exit_code == 5
    assert "names of tags" in caught.value.hint
    assert faults.count("PUT", "manifests/v1") == 1


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (405, "DENIED", "requested access to the resource is denied"),  # zot
        (409, "MANIFEST_REFERENCED_IN_LIST", "manifest referenced by manifest list"),
        (400, "MANIFEST_INVALID", "manifest is referenced by an index"),
        (412, "PRECONDITION", "tag is immutable"),
    ],
)
def test_a_manifest_that_something_else_holds_is_a_conflict_to_delete(
    faults: FaultProxy, repository: RegistryRepository, status: int, code: str, message: str
) -> None:
    kit = put_kit(repository, ("v1",))
    faults.fault("DELETE", "manifests", answer(status, error_body(code, message)), times=99)
    with pytest.raises(ConflictError, match=code) as caught:
        repository.delete(kit.digest)
    assert caught.value.exit_code == 8
    assert "an index refers to it" in caught.value.hint
    assert faults.count("DELETE") == 1


@pytest.mark.parametrize("reply", [answer(405), answer(405, error_body("UNSUPPORTED", "the operation is unsupported"))])
def test_a_registry_that_cannot_delete_is_told_from_one_that_fails(
    faults: FaultProxy, repository: RegistryRepository, reply: Fault
) -> None:
    kit = put_kit(repository, ("v1",))
    faults.fault("DELETE", "manifests", reply, times=99)
    with pytest.raises(DeniedError, match="does not delete") as caught:
        repository.delete(kit.digest)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert faults.count("DELETE") == 1


def test_a_login_page_in_place_of_a_registry_is_named(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("GET", "tags", answer(200, HTML, Content_Type="text/html"))
    with pytest.raises(RegistryError, match="not the JSON"):
        repository.tags()
    faults.fault("POST", "", answer(400, HTML, Content_Type="text/html"))
    with pytest.raises(RegistryError, match="HTML page") as caught:
        repository.write_blob(Bytes(DATA), Control())
    assert "login page" in caught.value.hint
    assert "Sign in" not in str(caught.value)


def test_tags_come_from_every_page(faults: FaultProxy, repository: RegistryRepository) -> None:
    pages = [["b", "c"], ["a", "sha256-" + "0" * 64], None]
    links = [
        '</v2/x/tags/list?n=2&last=c>; rel="next"',
        f"<http://{faults.address}/v2/x/tags/list?last=z>; rel=next",
        "",
    ]
    for tags, link in zip(pages, links, strict=True):
        faults.fault("GET", "tags/list", answer(200, json.dumps({"name": "x", "tags": tags}).encode(), Link=link))
    assert list(repository.tags()) == ["a", "b", "c"]
    assert [seen.path.partition("?")[2] for seen in faults.seen] == ["n=1000", "n=2&last=c", "last=z"]


@pytest.mark.parametrize("link", ["</v2/x/tags/list?last=b>; rel=next", "<http://127.0.0.1:1/v2/x>; rel=next"])
def test_pages_that_go_in_circles_or_elsewhere_are_an_error(
    faults: FaultProxy, repository: RegistryRepository, link: str
) -> None:
    faults.fault("GET", "tags/list", answer(200, b'{"tags": ["a"]}', Link=link), times=9)
    with pytest.raises(RegistryError, match="lead nowhere"):
        repository.tags()
    assert len(faults.seen) <= 2


def test_the_referrers_api_is_used_where_there_is_one(faults: FaultProxy, repository: RegistryRepository) -> None:
    kit = put_kit(repository)
    entries = [
        {**describe(name).to_dict(), "artifactType": kind, "annotations": {"a": "b"}}
        for name, kind in ((b"1", "application/x"), (b"2", "application/y"))
    ]
    index = {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": entries[:1]}
    more = {**index, "manifests": entries}
    faults.fault("GET", "/referrers/", answer(200, json.dumps(index).encode(), Link="</v2/r/referrers/2>; rel=next"))
    faults.fault("GET", "/referrers/2", answer(200, json.dumps(more).encode()))
    faults.fault("GET", "/referrers/", answer(200, json.dumps(more).encode()))
    found = repository.referrers(kit.digest)
    assert [(d.digest, d.artifact_type) for d in found] == [
        (sha256_digest(b"1"), "application/x"),
        (sha256_digest(b"2"), "application/y"),
    ]
    assert [d.digest for d in repository.referrers(kit.digest, "application/y")] == [sha256_digest(b"2")]
    assert "artifactType=application/y" in faults.seen[-1].path


def test_a_registry_that_lists_a_referrer_itself_gets_no_fallback_tag(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    kit = put_kit(repository)
    faults.fault("PUT", "manifests", change(lambda reply: reply.headers.update({"OCI-Subject": kit.digest})))
    put_kit(repository, content=b"signature", subject=kit.descriptor)
    assert faults.count("PUT", "manifests/sha256-") == 0


def test_a_list_of_referrers_that_another_writer_replaced_is_mended(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    kit = put_kit(repository)
    faults.fault("PUT", LIST, answer(201))
    referrer = put_kit(repository, content=b"signature", subject=kit.descriptor)
    assert faults.count("PUT", LIST) == 2
    assert [d.digest for d in repository.referrers(kit.digest)] == [referrer.digest]


def test_writers_that_never_get_their_turn_are_told(faults: FaultProxy, repository: RegistryRepository) -> None:
    kit = put_kit(repository)
    faults.fault("PUT", LIST, answer(201), times=99)
    with pytest.raises(UnlistedError, match="other writers") as caught:
        put_kit(repository, content=b"signature", subject=kit.descriptor)
    assert caught.value.exit_code == 11
    (found,) = repository.referrers(kit.digest)  # what was attached is stored, and found
    assert repository.manifest(found.digest).subject == kit.descriptor


def test_what_the_registry_wants_people_to_know_is_said_once(faults: FaultProxy) -> None:
    events = Events()
    repository = RegistryRepository(faults.address, "faults/warnings", fast(), events.control)
    put_kit(repository, ("v1",))
    warning = '299 - "this repository \x1b[31mmoves, see https://u:p@example.org/x?token=abcdef"'
    faults.fault("HEAD", "", change(lambda reply: reply.headers.update({"Warning": warning})), times=2)
    repository.resolve("v1")
    repository.resolve("v1")
    (said,) = events.of("warning")
    assert "this repository [31mmoves" in said.detail.replace("  ", " ").replace(" [", " [")
    assert not {"\x1b", "u:p", "abcdef"} & {part for part in ("\x1b", "u:p", "abcdef") if part in said.detail}
    repository.close()


@pytest.mark.parametrize("page", [answer(404), answer(200, b"<html>", Content_Type="text/html; charset=utf-8")])
def test_something_that_is_no_registry_is_named(faults: FaultProxy, page: Fault) -> None:
    repository = RegistryRepository(faults.address, "a/b", fast())
    faults.fault("GET", "/v2/", page)
    with pytest.raises(RegistryError, match="not an OCI registry"):
        repository.ping()
    repository.close()


def test_tls_spoken_to_a_plain_registry_is_named(registry: str) -> None:
    repository = RegistryRepository(registry, "a/b", RegistryOptions(plain_http=False, backoff=0.001))
    with pytest.raises(RegistryError, match="does not speak TLS") as caught:
        repository.resolve("v1")
    assert "plain_http" in caught.value.hint
    repository.close()

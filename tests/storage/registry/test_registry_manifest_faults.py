"""A registry that misbehaves with manifests, tags and referrers, played by a proxy before a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, error_body, fast, put_kit, some_bytes
from fault_proxy import Fault, FaultProxy, answer, change, corrupt

from kitops_core.errors import (
    ConflictError,
    DeniedError,
    IntegrityError,
    NotFoundError,
    RegistryError,
    UnlistedError,
)
from kitops_core.events import Control
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

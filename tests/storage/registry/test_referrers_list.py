"""What is attached is found and listed in a registry without the referrers API, whoever writes the list meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attachments import attach
from blob_tools import ARTIFACT_TYPE, Events, fast, put_kit
from fault_proxy import Fault, FaultProxy, Handler, Reply, Seen, answer

from kitops_core.errors import NotFoundError, RegistryError
from kitops_core.oci.manifest import Manifest, build_manifest
from kitops_core.oci.media_types import IMAGE_INDEX
from kitops_core.oci.referrers_tag import fallback_tag, is_referrers_tag, own_tag
from kitops_core.storage.registry import RegistryRepository

LIST = "manifests/sha256-[0-9a-f]{64}$"
OWN = r"manifests/sha256-[0-9a-f]{64}\.[a-z2-7]{52}$"
WRITER = Path(__file__).parents[2] / "support" / "statement_writer.py"


def refusal(status: int, code: str, message: str) -> Fault:
    return answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode())


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def repository(faults: FaultProxy, events: Events) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(faults.address, f"listed/{uuid4().hex}", fast(), events.control)
    yield repository
    repository.close()


@pytest.fixture
def kit(repository: RegistryRepository) -> Manifest:
    return put_kit(repository, ("v1",))


def manifest_url(repository: RegistryRepository, target: str) -> str:
    registry, _, name = repository.name.partition("/")
    return f"http://{registry}/v2/{name}/manifests/{target}"


def put(repository: RegistryRepository, target: str, data: bytes, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    url = manifest_url(repository, target)
    urllib.request.urlopen(urllib.request.Request(url, data, headers, method="PUT")).close()


def listed(repository: RegistryRepository, kit: Manifest) -> list[str]:
    """What other tools find: the digests under the fallback tag."""
    request = urllib.request.Request(
        manifest_url(repository, fallback_tag(kit.digest)), headers={"Accept": IMAGE_INDEX}
    )
    with urllib.request.urlopen(request) as reply:
        return [entry["digest"] for entry in json.load(reply)["manifests"]]


def replace_list(repository: RegistryRepository, kit: Manifest, entries: list[dict[str, Any]]) -> None:
    """What another tool does that read the list before ours was in it."""
    data = json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}).encode()
    put(repository, fallback_tag(kit.digest), data, IMAGE_INDEX)


def found(repository: RegistryRepository, kit: Manifest) -> set[str]:
    """What somebody finds who looks now."""
    registry, _, name = repository.name.partition("/")
    fresh = RegistryRepository(registry, name, fast())
    try:
        return {descriptor.digest for descriptor in fresh.referrers(kit.digest)}
    finally:
        fresh.close()


def write_together(registry: str, writers: int, count: int) -> None:
    repository = RegistryRepository(registry, f"listed/{uuid4().hex}", fast())
    kit = put_kit(repository, ("v1",))
    command = [sys.executable, str(WRITER), *repository.name.split("/", 1), kit.digest]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(writer), str(count)], **pipes) for writer in range(writers)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for process in processes:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    attached = [digest for process in processes for digest in process.communicate(timeout=240)[0].split()]
    assert [process.returncode for process in processes] == [0] * writers
    assert len(set(attached)) == writers * count
    assert found(repository, kit) == set(attached)
    assert set(listed(repository, kit)) == set(attached)
    assert list(repository.tags()) == ["v1"]
    repository.close()


def test_four_processes_that_attach_to_one_kit_lose_nothing(registry: str) -> None:
    write_together(registry, 4, 4)


@pytest.mark.slow
def test_eight_processes_that_attach_twenty_statements_each_to_one_kit_lose_nothing(registry: str) -> None:
    write_together(registry, 8, 20)


def test_what_another_tool_dropped_from_the_list_is_found_and_listed_again(
    repository: RegistryRepository, kit: Manifest
) -> None:
    first, second = attach(repository, kit, b"first"), attach(repository, kit, b"second")
    theirs = build_manifest(artifact_type="application/x", config=kit.config, layers=kit.layers, subject=kit.descriptor)
    put(repository, theirs.digest, theirs.raw, theirs.media_type)
    replace_list(repository, kit, [{**theirs.descriptor.to_dict(), "artifactType": "application/x"}])
    assert found(repository, kit) == {theirs.digest, first.digest, second.digest}
    kinds = {one.digest: one.artifact_type for one in repository.referrers(kit.digest)}
    assert kinds == {theirs.digest: "application/x", first.digest: ARTIFACT_TYPE, second.digest: ARTIFACT_TYPE}
    assert repository.referrers(kit.digest, ARTIFACT_TYPE)[0].annotations["content"] in ("first", "second")
    third = attach(repository, kit, b"third")
    assert listed(repository, kit)[0] == theirs.digest
    assert set(listed(repository, kit)) == {theirs.digest, first.digest, second.digest, third.digest}


def test_a_list_that_is_gone_is_no_loss(repository: RegistryRepository, kit: Manifest, faults: FaultProxy) -> None:
    attached = {attach(repository, kit, str(index).encode()).digest for index in range(3)}
    faults.fault("GET", LIST, answer(404), times=1)
    assert found(repository, kit) == attached


def test_what_a_writer_could_not_list_any_more_is_attached_all_the_same(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy
) -> None:
    first = attach(repository, kit, b"first")
    faults.fault("PUT", LIST, answer(500), times=99)
    with pytest.raises(RegistryError, match="500"):
        attach(repository, kit, b"second")
    assert len(found(repository, kit)) == 2
    assert listed(repository, kit) == [first.digest]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "DIGEST_INVALID", "provided digest did not match uploaded content"),  # takes the tag for a digest
        (400, "TAG_INVALID", "manifest tag did not match URI"),
        (400, "TAG_INVALID", "The image tag already exists and cannot be overwritten because the tag is immutable."),
        (403, "DENIED", "the tag is protected"),
        (405, "UNSUPPORTED", "the operation is unsupported"),
        (409, "CONFLICT", "the tag exists"),
        (412, "PRECONDITION", "the tag is configured as immutable"),
    ],
)
def test_a_registry_that_takes_no_list_keeps_what_is_attached_all_the_same(
    repository: RegistryRepository,
    kit: Manifest,
    faults: FaultProxy,
    events: Events,
    status: int,
    code: str,
    message: str,
) -> None:
    faults.fault("PUT", LIST, refusal(status, code, message), times=99)
    attached = {attach(repository, kit, str(index).encode()).digest for index in range(3)}
    assert faults.count("PUT", LIST) == 3  # asked once each, never again
    assert found(repository, kit) == attached
    (said,) = events.of("warning")
    assert message in said.detail
    assert "other tools than this one do not find" in said.detail
    assert events.of("retry") == []


def test_a_registry_that_takes_the_fallback_tag_for_the_digest_itself_lists_no_kit_as_its_own_referrer(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy
) -> None:
    """As registry.gitlab.com does."""
    index = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [kit.descriptor.to_dict()]}
    raw = json.dumps(index).encode()
    replace_list(repository, kit, index["manifests"])  # stores the index
    digest = repository.resolve(fallback_tag(kit.digest)).digest

    def as_digest(handler: Handler, seen: Seen) -> Reply:
        headers = {"Content-Type": IMAGE_INDEX, "Docker-Content-Digest": digest, "Content-Length": str(len(raw))}
        return Reply(200, headers, raw)

    faults.fault("GET", f"manifests/{fallback_tag(digest)}$", as_digest, times=9)
    assert repository.referrers(digest) == []


def test_where_tags_are_immutable_attaching_the_same_once_more_is_no_conflict(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy
) -> None:
    first = attach(repository, kit, b"signature")
    faults.fault("PUT", OWN, refusal(400, "TAG_INVALID", "cannot be overwritten because the tag is immutable"))
    assert attach(repository, kit, b"signature").digest == first.digest
    assert faults.count("PUT", OWN) == 2
    assert found(repository, kit) == {first.digest}


def test_where_tags_may_not_be_listed_the_list_counts_and_that_is_said(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy, events: Events
) -> None:
    faults.fault("GET", "tags/list", refusal(403, "DENIED", "listing is not allowed"), times=99)
    attached = {attach(repository, kit, str(index).encode()).digest for index in range(2)}
    assert {one.digest for one in repository.referrers(kit.digest)} == attached
    (said,) = events.of("warning")
    assert "cannot be found" in said.detail


def test_what_was_deleted_is_neither_found_nor_listed(repository: RegistryRepository, kit: Manifest) -> None:
    first, second = attach(repository, kit, b"first"), attach(repository, kit, b"second")
    repository.delete(first.digest)
    assert found(repository, kit) == {second.digest}
    assert listed(repository, kit) == [second.digest]
    with pytest.raises(NotFoundError):
        repository.resolve(own_tag(kit.digest, first.digest))


def test_a_tag_that_names_what_is_attached_to_something_else_attaches_nothing(
    repository: RegistryRepository, kit: Manifest
) -> None:
    other = put_kit(repository, ("v2",), b"other")
    signature = attach(repository, other, b"of the other")
    repository.put_manifest(kit, [own_tag(other.digest, kit.digest)])
    repository.tag(signature.descriptor, own_tag(kit.digest, signature.digest))
    assert found(repository, kit) == set()
    assert found(repository, other) == {signature.digest}


def test_a_referrer_costs_one_request_to_store_and_four_to_list(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy
) -> None:
    attach(repository, kit, b"first")
    faults.seen.clear()
    attach(repository, kit, b"second")
    tags = [seen for seen in faults.seen if "/blobs/" not in seen.path]
    assert [seen.method for seen in tags] == ["PUT", "GET", "PUT", "GET", "GET"]
    assert is_referrers_tag(tags[0].path.rpartition("/")[2])
    faults.seen.clear()
    repository.referrers(kit.digest)
    assert faults.count("GET") <= 3  # the API, the list, the tags


def test_where_the_tags_were_just_seen_a_list_is_read_with_one_request_and_no_further_thread(
    repository: RegistryRepository, kit: Manifest, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for each of the versions of a catalogue: a thread costs more than what it would wait for."""
    begun: list[str] = []
    attached = attach(repository, kit, b"1")
    assert [one.digest for one in repository.referrers(kit.digest)] == [attached.digest]
    list(repository.own_tags())
    faults.seen.clear()
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: begun.append(thread.name) or start(thread))
    assert [one.digest for one in repository.referrers(kit.digest)] == [attached.digest]
    assert "kitops" not in begun
    assert [seen.path.rpartition("/")[2] for seen in faults.seen] == [fallback_tag(kit.digest)]


def test_the_kit_itself_under_the_tag_of_the_list_is_no_list_and_makes_room_for_one(
    repository: RegistryRepository, kit: Manifest
) -> None:
    """As ``cosign copy`` leaves it at its target."""
    put(repository, fallback_tag(kit.digest), kit.raw, kit.media_type)
    assert repository.referrers(kit.digest) == []
    attached = attach(repository, kit, b"1")
    assert [one.digest for one in repository.referrers(kit.digest)] == [attached.digest]
    assert listed(repository, kit) == [attached.digest]
    assert [*repository.tags()] == ["v1"]

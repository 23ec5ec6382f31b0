"""Copying a kit with all that is attached to it: completely, in a safe order, with few requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attachments import attach
from blob_tools import ARTIFACT_TYPE, Bytes, fast, put_kit, some_bytes
from fault_proxy import FaultProxy, Handler, Reply, Seen, answer

from kitops_core.errors import DeniedError, IntegrityError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, copy_manifest
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest, sha256_digest
from kitops_core.oci.media_types import EMPTY_CONFIG, EMPTY_CONFIG_BYTES, EMPTY_DIGEST, IMAGE_INDEX
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.session import digest_of
from kitops_core.storage import Storage
from kitops_core.storage.limits import MAX_REFERRERS_DEPTH
from kitops_core.storage.local import LayoutRepository, LocalRepository, LocalStore
from kitops_core.storage.registry import RegistryRepository
from kitops_core.storage.registry.manifests import RawManifest

pytestmark = pytest.mark.slow


@pytest.fixture
def source(either_faults: FaultProxy) -> Iterator[RegistryRepository]:
    with closing(beside(either_faults)) as repository:
        yield repository


@pytest.fixture
def target(either_faults: FaultProxy) -> Iterator[RegistryRepository]:
    with closing(beside(either_faults)) as repository:
        yield repository


def beside(faults: FaultProxy) -> RegistryRepository:
    return RegistryRepository(faults.address, f"copy/{uuid4().hex}", fast())


def put_large_kit(storage: Storage) -> Manifest:
    """A kit of four layers."""
    control = Control()
    config = storage.write_blob(BytesSource(b'{"kit": 4}', "application/vnd.test.config"), control).descriptor
    layers = [storage.write_blob(Bytes(some_bytes(300_000, seed=seed)), control).descriptor for seed in range(4)]
    manifest = build_manifest(artifact_type=ARTIFACT_TYPE, config=config, layers=layers)
    storage.put_manifest(manifest, ["dev"])
    return manifest


def copy(source: Storage, target: Storage, kit: Manifest, *tags: str) -> None:
    copy_manifest(source, target, kit, tags, Control(), referrers=True)


def attached(storage: Storage, digest: str) -> dict[str, Any]:
    """What is attached to a manifest, and to that in turn."""
    return {d.digest: attached(storage, d.digest) for d in storage.referrers(digest)}


# --- what arrives ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["local", "layout", "registry"])
def somewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "local":
        storage: Storage = LocalRepository(LocalStore(tmp_path), "example.com/copy")
    elif request.param == "layout":
        storage = LayoutRepository(tmp_path / "layout", create=True)
    else:
        storage = RegistryRepository(request.getfixturevalue("registry"), f"copy/{uuid4().hex}", fast())
    with closing(storage):
        yield storage


def test_everything_attached_is_copied_there_and_back(
    source: RegistryRepository, target: RegistryRepository, somewhere: Storage
) -> None:
    kit = put_kit(source, ("v1",))
    signature = attach(source, kit, b"signature")
    countersigned = attach(source, signature, b"countersignature")
    attach(source, countersigned, b"of the countersignature")
    attach(source, kit, b"provenance")
    expected = attached(source, kit.digest)
    assert expected[signature.digest]
    copy(source, somewhere, kit, "v1")
    copy(somewhere, target, kit, "v1")
    for storage in (somewhere, target):
        assert attached(storage, kit.digest) == expected
        assert storage.manifest("v1").raw == kit.raw
        assert storage.manifest(countersigned.digest).raw == countersigned.raw


def test_what_the_target_has_already_stays_listed(source: RegistryRepository, target: RegistryRepository) -> None:
    kit = put_kit(source)
    copy(source, target, kit, "v1")
    own = attach(target, kit, b"attached there")
    signature = attach(source, kit, b"attached here")
    copy(source, target, kit, "v1")
    assert set(attached(target, kit.digest)) == {own.digest, signature.digest}
    late = attach(source, signature, b"attached later to what is there")
    copy(source, target, kit)
    assert attached(target, kit.digest) == {own.digest: {}, signature.digest: {late.digest: {}}}


def test_without_referrers_only_the_kit_is_copied(source: RegistryRepository, target: RegistryRepository) -> None:
    kit = put_kit(source)
    attach(source, kit, b"signature")
    copy_manifest(source, target, kit, ["v1"], Control())
    assert attached(target, kit.digest) == {}


# --- what stands in the way --------------------------------------------------------------------------------------


def test_referrers_attached_to_each_other_without_end_are_not_copied(
    source: RegistryRepository, target: RegistryRepository
) -> None:
    kit = last = put_kit(source, ("v1",))
    for level in range(MAX_REFERRERS_DEPTH):
        last = attach(source, last, str(level).encode())
    with closing(RegistryRepository(*f"{target.name}-too".split("/", 1), fast())) as other:
        copy(source, other, kit)
    attach(source, last, b"one too deep")
    with pytest.raises(IntegrityError, match=f"more than {MAX_REFERRERS_DEPTH} levels deep, which is the limit"):
        copy(source, target, kit, "v1")
    assert digest_of(target, "v1") == ""


def test_more_referrers_than_the_limit_are_not_copied_at_whatever_depth_they_are(
    source: RegistryRepository, target: RegistryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = put_kit(source, ("v1",))
    for number in range(2):
        attach(source, attach(source, kit, str(number).encode()), b"of that")
    monkeypatch.setattr("kitops_core.storage.limits.MAX_REFERRERS", 3)
    with pytest.raises(IntegrityError, match="more than 3 referrers, which is the limit"):
        copy(source, target, kit, "v1")
    assert digest_of(target, "v1") == ""


def lie(faults: FaultProxy, digest: str, *entries: Descriptor) -> None:
    """The registry says that these refer to ``digest``, by the API or by the fallback tag."""
    index = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [entry.to_dict() for entry in entries]}
    reply = answer(200, json.dumps(index).encode(), Content_Type=IMAGE_INDEX)
    faults.fault("GET", f"referrers/{digest}|manifests/{fallback_tag(digest)}", reply)


def test_a_circle_of_referrers_comes_to_an_end(
    source: RegistryRepository, target: RegistryRepository, either_faults: FaultProxy
) -> None:
    kit = put_kit(source)
    signature = attach(source, kit, b"signature")
    source.referrers(kit.digest)  # so that it is known whether there is an API
    lie(either_faults, kit.digest, signature.descriptor)
    lie(either_faults, signature.digest, signature.descriptor, kit.descriptor)
    copy(source, target, kit, "v1")
    assert attached(target, kit.digest) == {signature.digest: {}}


def test_a_referrer_that_is_an_index_is_named_and_leaves_no_tag(
    source: RegistryRepository, target: RegistryRepository, either_faults: FaultProxy
) -> None:
    kit, index = put_kit(source), json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []}).encode()
    source._manifests.put(RawManifest(index, sha256_digest(index), IMAGE_INDEX), sha256_digest(index))
    source.referrers(kit.digest)
    lie(either_faults, kit.digest, Descriptor(IMAGE_INDEX, sha256_digest(index), len(index)))
    with pytest.raises(IntegrityError, match=f"{sha256_digest(index)} is an index") as caught:
        copy(source, target, kit, "v1")
    assert kit.digest in str(caught.value)
    assert digest_of(target, "v1") == digest_of(target, kit.digest) == ""


def test_a_referrer_that_is_gone_or_refers_to_something_else_is_named(
    source: RegistryRepository, target: RegistryRepository, either_faults: FaultProxy
) -> None:
    kit, other = put_kit(source), put_kit(source, content=b"other")
    gone = build_manifest(artifact_type=ARTIFACT_TYPE, config=kit.config, layers=[], subject=kit.descriptor)
    source.referrers(kit.digest)
    for wrong in (gone, attach(source, other, b"signature of the other")):
        lie(either_faults, kit.digest, wrong.descriptor)
        with pytest.raises(IntegrityError, match=wrong.digest):
            copy(source, target, kit, "v1")
        assert digest_of(target, "v1") == ""


@pytest.mark.parametrize("step", range(14))
def test_whoever_sees_the_tag_sees_what_is_attached(
    source: RegistryRepository, target: RegistryRepository, either_faults: FaultProxy, step: int
) -> None:
    """Whatever request fails for good: the tag is absent, or all is there; and a second copy mends it."""
    kit = put_large_kit(source)
    signature = attach(source, kit, b"signature")
    countersigned = attach(source, signature, b"countersignature")
    seen, refuse = [], answer(403, b"{}")

    def fail(handler: Handler, request: Seen) -> Reply | None:
        if request.method in ("POST", "PUT"):
            seen.append(request)
            if len(seen) > step:
                return refuse(handler, request)
        return None

    for method in ("POST", "PUT"):
        either_faults.fault(method, target.name.partition("/")[2], fail, times=99)
    failed = False
    try:
        copy(source, target, kit, "v1")
    except DeniedError:
        failed = True
    with either_faults.lock:
        either_faults._faults.clear()
    assert (digest_of(target, "v1") == "") == failed
    if failed:
        copy(source, target, kit, "v1")
    assert attached(target, kit.digest) == {signature.digest: {countersigned.digest: {}}}
    assert digest_of(target, "v1") == kit.digest


# --- how many requests it takes ----------------------------------------------------------------------------------


@pytest.fixture
def signed(source: RegistryRepository, either_faults: FaultProxy) -> Manifest:
    """A kit of four layers with a signature and a provenance statement; nothing is counted of that.

    Another process put it there: ``source`` has seen none of it, whose look at the tags would be good for a second.
    """
    with closing(RegistryRepository(*source.name.split("/", 1), fast())) as other:
        kit = put_large_kit(other)
        attach(other, kit, b"signature", "application/x.signature")
        attach(other, kit, b"provenance", "application/x.provenance")
    either_faults.seen.clear()
    return kit


def blob_bytes(faults: FaultProxy) -> int:
    return sum(len(seen.body) for seen in faults.seen if "/blobs/" in seen.path)


def test_a_kit_is_kept_and_tagged_in_its_repository_with_one_request_each(
    source: RegistryRepository, signed: Manifest, either_faults: FaultProxy
) -> None:
    with closing(RegistryRepository(*source.name.split("/", 1), fast())) as same:
        copy(source, same, signed, "prod")
        assert [seen.method for seen in either_faults.seen] == ["PUT", "PUT"]
        copy(source, same, signed)
        assert len(either_faults.seen) == 2


def test_a_kit_is_copied_within_a_registry_without_sending_a_byte(
    source: RegistryRepository, target: RegistryRepository, signed: Manifest, either_faults: FaultProxy
) -> None:
    copy(source, target, signed, "prod")
    assert blob_bytes(either_faults) == 0
    # One look, five mounts, its own tag and the tag; the list of referrers, a mount of the config they share; and for
    # each of the two its own list, itself, a mount, a write. Without the API also a look for it in both, the tags of
    # the source, and in the target the fallback tag read, written and, after a look at its tags, verified.
    fallback = either_faults.count("PUT", "manifests/sha256-")
    assert len(either_faults.seen) == (18 + 7 if fallback else 18)


def test_a_kit_that_is_there_is_only_kept_and_tagged(
    source: RegistryRepository, target: RegistryRepository, signed: Manifest, either_faults: FaultProxy
) -> None:
    copy(source, target, signed, "prod")
    either_faults.seen.clear()
    copy_manifest(source, target, signed, ["again"], Control())
    assert [seen.method for seen in either_faults.seen] == ["HEAD", "PUT", "PUT"]


def test_what_was_read_before_is_not_asked_for_again_and_what_is_attached_newly_goes_along(
    source: RegistryRepository, target: RegistryRepository, signed: Manifest, either_faults: FaultProxy
) -> None:
    listed = source.referrers(signed.digest)
    known = Attached(listed, {one.digest: source.manifest(one.digest) for one in listed[:1]})
    either_faults.seen.clear()
    config = Descriptor(EMPTY_CONFIG, EMPTY_DIGEST, len(EMPTY_CONFIG_BYTES))
    record = build_manifest(
        artifact_type="application/x.record", config=config, layers=[config], subject=signed.descriptor
    )
    copy_manifest(source, target, signed, [], Control(), referrers=True, known=known, attach=lambda: [record])
    there = target.referrers(signed.digest)
    assert {one.digest for one in there} == {*(one.digest for one in listed), record.digest}
    before = source.name.partition("/")[2]
    assert either_faults.count("GET", f"{before}/manifests/{listed[0].digest}") == 0
    assert either_faults.count("GET", f"{before}/(referrers|manifests)/sha256.{signed.digest[7:]}") == 0
    assert either_faults.count("PUT", f"manifests/{fallback_tag(signed.digest)}$") <= 1


def test_promotion_within_a_repository_takes_at_most_12_requests_or_14_without_the_referrers_api(
    source: RegistryRepository, signed: Manifest, either_faults: FaultProxy
) -> None:
    """Resolve, read what is in the channel, copy nothing, attach a record, swap the tag."""
    with closing(RegistryRepository(*source.name.split("/", 1), fast(settle=0.05))) as fresh:
        kit = fresh.manifest("dev")
        assert digest_of(fresh, "prod") == ""
        copy(fresh, fresh, kit)
        attach(fresh, kit, b"record")
        fresh.swap_tag(kit, "prod", "")
        assert digest_of(source, "prod") == kit.digest
        fallback = either_faults.count("PUT", "manifests/sha256-")
        assert len(either_faults.seen) - 1 <= (14 if fallback else 12)

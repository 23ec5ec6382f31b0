"""A repository in a real registry, as a storage."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from blob_tools import ARTIFACT_TYPE, MEDIA_TYPE, Bytes, Events, describe, fast, put_kit, read, some_bytes
from fault_proxy import FaultProxy
from registry_fixture import serve_registry

from kitops_core.errors import (
    CancelledError,
    DeniedError,
    IntegrityError,
    InvalidInputError,
    InvalidReferenceError,
    NotFoundError,
    RegistryError,
    SourceError,
)
from kitops_core.events import Cancel, Control
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Manifest, build_manifest
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.storage import Storage
from kitops_core.storage.registry import RegistryRepository
from kitops_core.version import __version__


@pytest.fixture
def repository(registry: str) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(registry, f"models/{uuid4().hex}", fast())
    yield repository
    repository.close()


def open_repository(registry: str, name: str = "") -> RegistryRepository:
    return RegistryRepository(registry, name or f"models/{uuid4().hex}", fast())


def test_a_registry_repository_is_a_storage(repository: RegistryRepository, registry: str) -> None:
    storage: Storage = repository
    assert storage.name.startswith(f"{registry}/models/")
    repository.ping()


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
@pytest.mark.parametrize("sized", [True, False])
def test_what_is_written_in_one_pass_is_read_back(repository: RegistryRepository, size: int, sized: bool) -> None:
    data, events = some_bytes(size), Events()
    written = repository.write_blob(Bytes(data, sized=sized), events.control)
    assert (written.outcome, written.descriptor) == ("written", describe(data))
    assert read(repository, written.descriptor) == data
    assert events.all[0].phase == "start"
    assert (events.all[-1].phase, events.all[-1].done, events.all[-1].outcome) == ("finish", size, "written")
    assert events.of("advance")[-1].done == size


def test_a_known_blob_that_is_there_is_not_sent_again(repository: RegistryRepository) -> None:
    data = some_bytes(1000)
    repository.write_blob(Bytes(data), Control())
    source, events = Bytes(data, known=True), Events()
    assert repository.write_blob(source, events.control).outcome == "present"
    assert source.started == 0
    assert events.all[-1].outcome == "present"


def test_a_known_blob_of_another_repository_is_mounted(registry: str, repository: RegistryRepository) -> None:
    data = some_bytes(1000, seed=1)
    repository.write_blob(Bytes(data), Control())
    target, source = open_repository(registry), Bytes(data, known=True)
    names = ["other.example/repo", target.name, f"{registry}/no/such", repository.name]
    assert target.write_blob(source, Control(), mount_from=names).outcome == "mounted"
    assert source.started == 0
    assert read(target, describe(data)) == data
    target.close()


def test_a_known_blob_that_nobody_has_is_sent(registry: str, repository: RegistryRepository) -> None:
    data = some_bytes(1000, seed=2)
    source = Bytes(data, known=True, verified=True)
    assert repository.write_blob(source, Control(), mount_from=[f"{registry}/no/such"]).outcome == "written"
    assert read(repository, describe(data)) == data


def test_bytes_that_are_not_the_known_ones_are_not_stored(repository: RegistryRepository) -> None:
    source = Bytes(some_bytes(1000, seed=3), known=True)
    source._data = some_bytes(1000, seed=4)
    with pytest.raises(IntegrityError, match=r"model\.bin"):
        repository.write_blob(source, Control())
    assert not repository.has_blob(describe(some_bytes(1000, seed=3)))


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_source_that_is_longer_or_shorter_than_it_says_is_not_stored(
    repository: RegistryRepository, wrong: int
) -> None:
    source = Bytes(some_bytes(200_000, seed=5))
    source.size = 200_000 + wrong
    with pytest.raises(IntegrityError, match=r"model\.bin"):
        repository.write_blob(source, Control())
    assert source.started == 1


def test_a_source_that_cannot_be_read_is_named_and_not_tried_again(repository: RegistryRepository) -> None:
    def fail(index: int) -> None:
        raise OSError(5, "Input/output error")

    source = Bytes(b"x" * 10, before=fail)
    with pytest.raises(SourceError, match=r"model\.bin.*Input/output error"):
        repository.write_blob(source, Control())
    assert source.started == 1


def test_a_cancelled_upload_stops_between_buffers(repository: RegistryRepository) -> None:
    cancel = Cancel()
    source = Bytes(some_bytes(1 << 20), before=lambda index: cancel.cancel() if index == 3 else None)
    with pytest.raises(CancelledError):
        repository.write_blob(source, Control(cancel=cancel))
    assert not repository.has_blob(describe(some_bytes(1 << 20)))


def test_a_cancelled_download_stops_between_buffers(repository: RegistryRepository) -> None:
    data = some_bytes(1 << 20)
    written = repository.write_blob(Bytes(data), Control())
    cancel = Cancel()
    with repository.open_blob(written.descriptor, Control(cancel=cancel)) as reader:
        assert reader.readinto(bytearray(1000)) == 1000
        cancel.cancel()
        with pytest.raises(CancelledError):
            reader.readinto(bytearray(1000))


def test_has_blob_looks_at_the_size_too(repository: RegistryRepository) -> None:
    data = some_bytes(1000)
    descriptor = repository.write_blob(Bytes(data), Control()).descriptor
    assert repository.has_blob(descriptor)
    wrong = describe(data + b"!")
    assert not repository.has_blob(wrong)
    assert not repository.has_blob(type(descriptor)(MEDIA_TYPE, descriptor.digest, 999))


def test_a_blob_that_is_not_there_is_not_found(repository: RegistryRepository) -> None:
    put_kit(repository)
    with pytest.raises(NotFoundError, match="has no blob sha256:"):
        repository.open_blob(describe(b"nowhere"), Control())


def test_a_manifest_keeps_its_bytes_under_every_tag(repository: RegistryRepository) -> None:
    manifest = put_kit(repository, ("v1", "latest"))
    for target in ("v1", "latest", manifest.digest):
        assert repository.manifest(target).raw == manifest.raw
        assert repository.resolve(target).digest == manifest.digest
        assert repository.resolve(target).size == len(manifest.raw)


def test_a_manifest_without_media_type_is_read(repository: RegistryRepository) -> None:
    manifest = put_kit(repository)
    raw = manifest.raw.replace(
        b'"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType"', b'"artifactType"'
    )
    old = Manifest(raw, manifest.media_type, manifest.config, manifest.layers)
    repository.put_manifest(old, ["old"])
    assert repository.manifest("old").raw == raw


def test_a_tag_moves_and_points_at_what_is_there(repository: RegistryRepository) -> None:
    first, second = put_kit(repository, ("v1",), b"one"), put_kit(repository, ("v2",), b"two")
    repository.tag(first.descriptor, "v2")
    assert repository.resolve("v2").digest == first.digest
    assert repository.manifest(second.digest).raw == second.raw
    missing = type(first.descriptor)(first.media_type, describe(b"nothing").digest, 7)
    with pytest.raises(NotFoundError):
        repository.tag(missing, "v3")


def test_what_does_not_exist_is_not_found_and_named(repository: RegistryRepository) -> None:
    put_kit(repository, ("v1",))
    for target in ("v9", describe(b"nothing").digest):
        for ask in (repository.resolve, repository.manifest):
            with pytest.raises(NotFoundError, match=target):
                ask(target)
    with pytest.raises(NotFoundError, match="v9"):
        repository.untag("v9")
    with pytest.raises(NotFoundError):
        repository.delete(describe(b"nothing").digest)


def test_a_repository_that_does_not_exist_has_no_tags_to_list(registry: str) -> None:
    repository = open_repository(registry)
    with pytest.raises(NotFoundError, match=repository.name):
        repository.tags()
    repository.close()


def test_tags_are_sorted_and_hide_what_holds_referrers(repository: RegistryRepository) -> None:
    manifest = put_kit(repository, ("v10", "v2", "1"))
    fallback = fallback_tag(manifest.digest)
    repository.put_manifest(manifest, [fallback, f"{fallback}.sig", f"{fallback}.att", f"{fallback}.sbom"])
    assert list(repository.tags()) == ["1", "v10", "v2"]


def test_deleting_a_manifest_removes_its_tags(repository: RegistryRepository) -> None:
    first, second = put_kit(repository, ("v1", "same"), b"one"), put_kit(repository, ("v2",), b"two")
    repository.delete(first.digest)
    with pytest.raises(NotFoundError):
        repository.manifest(first.digest)
    assert list(repository.tags()) == ["v2"]
    assert repository.manifest("v2").raw == second.raw


def test_a_registry_that_cannot_untag_says_so_and_names_the_digest(repository: RegistryRepository) -> None:
    manifest = put_kit(repository, ("v1",))
    with pytest.raises(DeniedError, match="cannot remove the tag") as caught:
        repository.untag("v1")
    assert manifest.digest in caught.value.hint
    assert repository.resolve("v1").digest == manifest.digest


def test_a_registry_that_does_not_delete_says_so() -> None:
    with serve_registry("  relativeurls: true\n", delete=False) as served:
        repository = open_repository(served.address)
        manifest = put_kit(repository, ("v1",))
        with pytest.raises(DeniedError, match="does not delete") as caught:
            repository.delete(manifest.digest)
        assert "enabled" in caught.value.hint
        repository.close()


def test_a_tag_that_is_none_is_refused_before_anything_is_sent(repository: RegistryRepository) -> None:
    manifest = put_kit(repository)
    with pytest.raises(InvalidReferenceError):
        repository.put_manifest(manifest, ["ok", "not ok"])
    with pytest.raises(NotFoundError):
        repository.resolve("ok")


def test_a_manifest_that_no_registry_takes_is_not_sent(repository: RegistryRepository) -> None:
    manifest = put_kit(repository)
    large = Manifest(b" " * (MAX_MANIFEST_BYTES + 1), manifest.media_type, manifest.config, manifest.layers)
    with pytest.raises(InvalidInputError, match="4194305 bytes"):
        repository.put_manifest(large)


def test_a_manifest_with_a_missing_blob_is_an_error_with_the_registrys_code(repository: RegistryRepository) -> None:
    kit = put_kit(repository)
    broken = build_manifest(artifact_type=ARTIFACT_TYPE, config=kit.config, layers=[describe(b"never sent")])
    with pytest.raises(RegistryError) as caught:
        repository.put_manifest(broken)
    assert (caught.value.status, caught.value.code) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_four_threads_share_one_repository(repository: RegistryRepository) -> None:
    blobs = [some_bytes(300_000, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda data: repository.write_blob(Bytes(data), Control()), blobs))
        back = list(pool.map(lambda w: read(repository, w.descriptor), written))
    assert back == blobs


def test_an_altered_blob_is_not_handed_out_as_whole() -> None:
    with serve_registry() as served:
        repository = open_repository(served.address)
        descriptor = repository.write_blob(Bytes(some_bytes(100_000)), Control()).descriptor
        path = served.blob_path(descriptor.digest)
        path.write_bytes(b"!" + path.read_bytes()[1:])
        with pytest.raises(IntegrityError, match="was altered"):
            read(repository, descriptor)
        repository.close()


def test_closing_one_repository_leaves_others_with_equal_options_alone(registry: str) -> None:
    first, second = open_repository(registry), open_repository(registry)
    kit = put_kit(first, ("v1",))
    first.close()
    first.close()
    put_kit(second, ("v1",))
    assert second.resolve("v1").digest == kit.digest
    second.close()


def test_every_request_says_which_version_of_what_asks(faults: FaultProxy) -> None:
    repository = RegistryRepository(faults.address, f"storage/{uuid4().hex}")
    put_kit(repository, ("v1",))
    repository.close()
    assert {seen.headers["User-Agent"] for seen in faults.seen} == {f"kitops-core/{__version__}"}

"""What is attached to a manifest in a registry: the referrers API, or the fallback tag where there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest
from attachments import attach
from blob_tools import ARTIFACT_TYPE, Bytes, describe, fast, put_kit, some_bytes
from fault_proxy import FaultProxy, answer, fault_proxy
from referrers_server import referrers_server

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import build_manifest
from kitops_core.oci.media_types import EMPTY_CONFIG
from kitops_core.storage.registry import RegistryRepository
from kitops_core.storage.registry.transport import Transport


@pytest.fixture
def repository(either_faults: FaultProxy) -> Iterator[RegistryRepository]:
    repository = RegistryRepository(either_faults.address, f"referrers/{uuid4().hex}", fast())
    yield repository
    repository.close()


def test_referrers_are_listed_by_type_and_hidden_from_the_tags(repository: RegistryRepository) -> None:
    kit = put_kit(repository, ("v1",))
    assert repository.referrers(kit.digest) == []
    first = attach(repository, kit, b"signature", "application/x")
    second = attach(repository, kit, b"attestation")
    repository.put_manifest(second)
    assert [d.digest for d in repository.referrers(kit.digest)] == [first.digest, second.digest]
    assert [d.digest for d in repository.referrers(kit.digest, "application/x")] == [first.digest]
    assert repository.referrers(kit.digest)[0].annotations == {"content": "signature"}
    assert repository.referrers(kit.digest, "application/other") == []
    assert list(repository.tags()) == ["v1"]
    repository.delete(first.digest)
    assert [d.digest for d in repository.referrers(kit.digest)] == [second.digest]


def test_several_referrers_are_listed_in_one_write(repository: RegistryRepository, either_faults: FaultProxy) -> None:
    kit = put_kit(repository)
    before = attach(repository, kit, b"before")
    manifests = [
        build_manifest(
            artifact_type=ARTIFACT_TYPE,
            config=kit.config,
            layers=kit.layers,
            annotations={"index": str(index)},
            subject=kit.descriptor,
        )
        for index in range(3)
    ]
    either_faults.seen.clear()
    repository.put_referrers([*manifests, before])
    assert either_faults.count("PUT", "manifests/sha256-[0-9a-f]+$") <= 1
    assert either_faults.count("PUT", r"manifests/sha256(:|-\w+\.)") == 4
    assert {d.digest for d in repository.referrers(kit.digest)} == {m.digest for m in (before, *manifests)}


def test_referrers_that_threads_write_at_the_same_time_are_all_listed(either_registry: str) -> None:
    name = f"referrers/{uuid4().hex}"
    start = threading.Barrier(8)
    with closing(RegistryRepository(either_registry, name, fast())) as repository:
        kit = put_kit(repository)

        def add(index: int) -> str:
            with closing(RegistryRepository(either_registry, name, fast())) as mine:
                start.wait()
                return attach(mine, kit, str(index).encode()).digest

        with ThreadPoolExecutor(8) as pool:
            attached = set(pool.map(add, range(8)))
        listed = repository.referrers(kit.digest)
        assert {d.digest for d in listed} == attached
        assert {d.annotations["content"] for d in listed} == set("01234567")


def test_referrers_come_from_every_page() -> None:
    with referrers_server(page=2) as server, closing(RegistryRepository(server.address, "paged", fast())) as repository:
        kit = put_kit(repository)
        attached = [attach(repository, kit, str(index).encode()).digest for index in range(5)]
        assert [d.digest for d in repository.referrers(kit.digest)] == attached
        assert len(repository.referrers(kit.digest, ARTIFACT_TYPE)) == 5


def test_a_registry_is_asked_once_whether_it_has_the_api(registry: str) -> None:
    with fault_proxy(registry) as faults:
        transport = Transport(fast())
        one, other = (
            RegistryRepository(faults.address, f"referrers/{uuid4().hex}", transport=transport) for _ in range(2)
        )
        for repository in (one, other, one):
            repository.referrers(describe(b"kit").digest)
        assert faults.count("GET", "/referrers/sha256") == 1
        transport.close()


def test_a_repository_that_does_not_exist_does_not_speak_for_its_registry(
    referrers_registry: str,
) -> None:
    unknown = b'{"errors": [{"code": "NAME_UNKNOWN"}]}'
    with fault_proxy(referrers_registry) as faults:
        missing = RegistryRepository(faults.address, "referrers/missing", fast())
        with closing(missing), closing(RegistryRepository(faults.address, f"a/{uuid4().hex}", fast())) as repository:
            signature = attach(repository, kit := put_kit(repository), b"signature")
            faults.fault("GET", "missing/referrers/", answer(404, unknown))
            assert missing.referrers(kit.digest) == []
            assert [d.digest for d in repository.referrers(kit.digest)] == [signature.digest]


# --- how many requests attaching takes ---------------------------------------------------------------------------


def test_a_small_blob_in_memory_takes_two_requests_and_no_second_time(
    repository: RegistryRepository, either_faults: FaultProxy
) -> None:
    source = BytesSource(b"bundle", "application/vnd.test.bundle")
    assert repository.write_blob(source, Control()).outcome == "written"
    assert [seen.method for seen in either_faults.seen] == ["POST", "PUT"]
    assert repository.write_blob(source, Control()).outcome == "present"
    assert len(either_faults.seen) == 2
    assert repository.has_blob(source.descriptor)


def test_the_empty_config_is_looked_for_and_known_once_a_referrer_was_read(
    repository: RegistryRepository, either_faults: FaultProxy
) -> None:
    signature = attach(repository, put_kit(repository), b"signature")
    with closing(RegistryRepository(*repository.name.split("/", 1), fast())) as fresh:
        either_faults.seen.clear()
        empty = BytesSource(b"{}", EMPTY_CONFIG)
        assert fresh.write_blob(empty, Control()).outcome == "present"
        assert [seen.method for seen in either_faults.seen] == ["HEAD"]
    with closing(RegistryRepository(*repository.name.split("/", 1), fast())) as fresh:
        fresh.manifest(signature.digest)
        either_faults.seen.clear()
        assert fresh.write_blob(empty, Control()).outcome == "present"
        assert either_faults.seen == []


def test_a_mount_is_tried_before_the_blob_is_looked_for(
    repository: RegistryRepository, either_faults: FaultProxy
) -> None:
    data = some_bytes(600_000)
    repository.write_blob(Bytes(data), Control())
    registry = either_faults.address
    with closing(RegistryRepository(registry, f"referrers/{uuid4().hex}", fast())) as target:
        source = Bytes(data, known=True, verified=True)
        either_faults.seen.clear()
        assert target.write_blob(source, Control(), mount_from=[repository.name]).outcome == "mounted"
        assert [seen.method for seen in either_faults.seen] == ["POST"]
    with closing(RegistryRepository(registry, f"referrers/{uuid4().hex}", fast())) as target:
        other = Bytes(some_bytes(600_000, seed=9), known=True, verified=True)
        either_faults.seen.clear()
        assert target.write_blob(other, Control(), mount_from=[repository.name]).outcome == "written"
        assert [seen.method for seen in either_faults.seen] == ["POST", "HEAD", "PATCH", "PUT"]
    with closing(RegistryRepository(*repository.name.split("/", 1), fast())) as target:
        either_faults.seen.clear()
        names = [f"{registry}/no/such", repository.name]
        assert target.write_blob(source, Control(), mount_from=names).outcome == "present"
        assert [seen.method for seen in either_faults.seen] == ["HEAD"]


def test_a_manifest_that_is_there_is_held_with_its_blobs(repository: RegistryRepository) -> None:
    kit = put_kit(repository)
    assert repository.holds(kit)
    other = build_manifest(artifact_type=ARTIFACT_TYPE, config=kit.config, layers=[])
    assert not repository.holds(other)
    with pytest.raises(NotFoundError):
        repository.resolve(other.digest)

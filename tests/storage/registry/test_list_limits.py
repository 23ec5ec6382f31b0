"""Lists that a registry never ends, or that somebody filled: how much of them is read is limited, and said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from uuid import uuid4

import pytest
from blob_tools import describe, fast, put_kit
from fault_proxy import Fault, FaultProxy, Handler, Reply, Seen, fault_proxy

from kitops_core.errors import IntegrityError, RegistryError
from kitops_core.oci.media_types import IMAGE_INDEX, IMAGE_MANIFEST
from kitops_core.storage import limits
from kitops_core.storage.registry import RegistryRepository

FOR_EVER = 10**9


def endless(page: bytes, media_type: str) -> Fault:
    """A page that always leads to another one."""
    numbers = count(1)

    def fault(handler: Handler, seen: Seen) -> Reply:
        link = f'<{seen.path.partition("?")[0]}?last={next(numbers)}>; rel="next"'
        return Reply(200, {"Content-Type": media_type, "Content-Length": str(len(page)), "Link": link}, page)

    return fault


def index(number: int, annotation: str = "") -> bytes:
    """A page of referrers."""
    entries = [
        {
            "mediaType": IMAGE_MANIFEST,
            "digest": describe(uuid4().bytes).digest,
            "size": 500,
            "annotations": {"text": annotation},
        }
        for _ in range(number)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}).encode()


@pytest.fixture
def faults(referrers_registry: str) -> Iterator[FaultProxy]:
    with fault_proxy(referrers_registry) as proxy:
        yield proxy


@pytest.fixture
def repository(faults: FaultProxy) -> Iterator[RegistryRepository]:
    with closing(RegistryRepository(faults.address, f"endless/{uuid4().hex}", fast())) as repository:
        put_kit(repository, ("v1",))
        yield repository


def test_tags_whose_pages_never_end_are_not_read_for_ever(
    faults: FaultProxy, repository: RegistryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitops_core.storage.registry.endpoint.MAX_PAGES", 20)
    faults.fault("GET", "tags/list", endless(b'{"tags": ["v1"]}', "application/json"), times=FOR_EVER)
    with pytest.raises(IntegrityError, match=r"list the tags of .* more than 20 pages, which is the limit"):
        list(repository.tags())
    assert faults.count("GET", "tags/list") == 20


def test_more_tags_than_the_limit_are_an_error(repository: RegistryRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitops_core.storage.registry.tags_list.MAX_TAGS", 2)
    put_kit(repository, ("v2", "v3"))
    with pytest.raises(IntegrityError, match="more than 2 tags, which is the limit"):
        list(repository.tags())


def test_referrers_without_end_are_not_read_for_ever(faults: FaultProxy, repository: RegistryRepository) -> None:
    faults.fault("GET", "referrers/", endless(index(100), "application/json"), times=FOR_EVER)
    with pytest.raises(IntegrityError, match=f"more than {limits.MAX_REFERRERS} referrers, which is the limit"):
        repository.referrers(repository.resolve("v1").digest)
    assert faults.count("GET", "referrers/") == limits.MAX_REFERRERS // 100 + 1


def test_empty_pages_of_referrers_without_end_are_not_read_for_ever(
    faults: FaultProxy, repository: RegistryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitops_core.storage.registry.endpoint.MAX_PAGES", 20)
    faults.fault("GET", "referrers/", endless(index(0), IMAGE_INDEX), times=FOR_EVER)
    with pytest.raises(IntegrityError, match="more than 20 pages"):
        repository.referrers(repository.resolve("v1").digest)


def test_few_referrers_that_are_described_at_great_length_are_not_read_either(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    faults.fault("GET", "referrers/", endless(index(1, "x" * 1_000_000), IMAGE_INDEX), times=FOR_EVER)
    with pytest.raises(IntegrityError, match=f"longer than {limits.MAX_REFERRERS_BYTES} bytes, which is the limit"):
        repository.referrers(repository.resolve("v1").digest)
    assert faults.count("GET", "referrers/") == 17


def test_a_page_of_referrers_that_is_too_long_by_itself_is_cut_off(
    faults: FaultProxy, repository: RegistryRepository
) -> None:
    page = index(1, "x" * limits.MAX_REFERRERS_BYTES)
    faults.fault("GET", "referrers/", endless(page, IMAGE_INDEX), times=FOR_EVER)
    with pytest.raises(RegistryError, match=f"longer than {limits.MAX_REFERRERS_BYTES} bytes"):
        repository.referrers(repository.resolve("v1").digest)
    assert faults.count("GET", "referrers/") == 1

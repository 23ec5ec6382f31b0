"""Blobs that go with one PUT, where a registry or the network misbehaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, fast, read
from fault_proxy import Fault, FaultProxy, answer, change, drop, lose_answer

from kitops_core.errors import CancelledError, DeniedError, IntegrityError, RegistryError
from kitops_core.events import Cancel, Control
from kitops_core.oci.blob import BytesSource
from kitops_core.storage.registry import RegistryRepository

DATA = b"a signature" * 100
SOURCE = BytesSource(DATA, "application/vnd.test.bundle", "signature")
GONE = json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "gone"}]}).encode()


@pytest.fixture
def repository(faults: FaultProxy) -> Iterator[RegistryRepository]:
    with closing(RegistryRepository(faults.address, f"small/{uuid4().hex}", fast())) as repository:
        yield repository


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("POST", answer(503)),
        ("POST", drop()),
        ("POST", lose_answer()),
        ("PUT", answer(500)),
        ("PUT", answer(429)),
        ("PUT", answer(404, GONE)),
        ("PUT", drop()),
        ("PUT", drop(after=100)),
        ("PUT", lose_answer()),
    ],
)
def test_a_request_that_fails_once_is_repeated(
    faults: FaultProxy, repository: RegistryRepository, method: str, fault: Fault
) -> None:
    faults.fault(method, "/blobs/uploads/", fault)
    events = Events()
    written = repository.write_blob(SOURCE, events.control)
    assert (written.descriptor, written.outcome) == (SOURCE.descriptor, "written")
    assert read(repository, SOURCE.descriptor) == DATA
    assert faults.count("PATCH") == 0
    assert events.all[-1].done == len(DATA)


def test_a_registry_that_stored_other_bytes_is_an_error(faults: FaultProxy, repository: RegistryRepository) -> None:
    other = describe(b"other").digest
    faults.fault("PUT", "", change(lambda reply: reply.headers.update({"Docker-Content-Digest": other})))
    with pytest.raises(IntegrityError, match=other):
        repository.write_blob(SOURCE, Control())


@pytest.mark.parametrize(("status", "error"), [(403, DeniedError), (413, RegistryError)])
def test_a_refusal_is_said_and_not_remembered_as_success(
    faults: FaultProxy, repository: RegistryRepository, status: int, error: type[Exception]
) -> None:
    faults.fault("PUT", "", answer(status))
    with pytest.raises(error, match="signature"):
        repository.write_blob(SOURCE, Control())
    assert repository.write_blob(SOURCE, Control()).outcome == "written"


def test_a_source_that_is_read_with_the_put_may_fail_no_more_than_others(repository: RegistryRepository) -> None:
    source = Bytes(DATA, known=True, verified=True)
    source.size = len(DATA) + 1
    with pytest.raises(IntegrityError, match=r"model\.bin"):
        repository.write_blob(source, Control())
    assert not repository.has_blob(SOURCE.descriptor)


def test_a_cancelled_upload_sends_nothing(faults: FaultProxy, repository: RegistryRepository) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        repository.write_blob(SOURCE, Control(cancel=cancel))
    assert faults.seen == []

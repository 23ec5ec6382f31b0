"""Who watches a tag asks only whether it was changed, where the registry has entity tags."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, Reply, change

import kitops_core as kitops
from kitops_core import Client
from kitops_core.errors import NotFoundError


@pytest.fixture
def watcher() -> Client:
    return client()


def pack(directory: Path, reference: str, weights: str) -> str:
    (directory / "model.bin").write_text(weights)
    return kitops.pack(kitops.Contents(model=directory / "model.bin"), reference, push=True).digest


def test_an_unchanged_tag_is_not_looked_up_a_second_time(faults: FaultProxy, watcher: Client, tmp_path: Path) -> None:
    name = f"{faults.address}/watched/{uuid.uuid4().hex[:8]}:prod"
    first = pack(tmp_path, name, "1")
    answers: list[int] = []
    faults.seen.clear()
    faults.every = change(lambda reply: answers.append(reply.status))
    assert [watcher.resolve(name, where="registry") for _ in range(3)] == [first] * 3
    assert answers == [200, 304, 304]
    assert [seen.method for seen in faults.seen] == ["HEAD"] * 3
    assert faults.seen[0].headers["If-None-Match"] is None
    faults.every = None
    second = pack(tmp_path, name, "2")
    assert watcher.resolve(name, where="registry") == second != first
    assert watcher.resolve(name, where="registry") == second


def test_a_tag_that_was_removed_is_gone(faults: FaultProxy, watcher: Client, tmp_path: Path) -> None:
    name = f"{faults.address}/watched/{uuid.uuid4().hex[:8]}:prod"
    digest = pack(tmp_path, name, "1")
    assert watcher.resolve(name, where="registry") == digest
    kitops.remove(name, where="registry", force=True)
    with pytest.raises(NotFoundError):
        watcher.resolve(name, where="registry")


def test_a_registry_without_entity_tags_is_asked_as_ever(faults: FaultProxy, watcher: Client, tmp_path: Path) -> None:
    def without(reply: Reply) -> None:
        reply.headers = {name: value for name, value in reply.headers.items() if name.lower() != "etag"}

    name = f"{faults.address}/watched/{uuid.uuid4().hex[:8]}:prod"
    digest = pack(tmp_path, name, "1")
    faults.every = change(without)
    faults.seen.clear()
    assert {watcher.resolve(name, where="registry") for _ in range(3)} == {digest}
    assert [seen.headers["If-None-Match"] for seen in faults.seen] == [None] * 3

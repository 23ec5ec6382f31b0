"""What is in a store, looked at through fsspec; the stores are in memory, and those that misbehave are stand-ins."""

from __future__ import annotations

import stat
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import kitops_core as kitops
from kitops_core.events import Cancel, Control
from kitops_core.layers.snapshot import object_stamp
from kitops_core.objects.ahead import PART_BYTES, ObjectsAhead
from kitops_core.objects.store import ObjectDirectory, ObjectStore, StoredObject, find_objects
from kitops_core.storage.local.layer_cache import is_racy


@pytest.fixture
def place() -> Iterator[str]:
    name = f"/{uuid.uuid4().hex}"
    yield name
    if fsspec.filesystem("memory").exists(name):
        fsspec.filesystem("memory").rm(name, recursive=True)


def put(place: str, files: Mapping[str, bytes]) -> ObjectStore:
    system = fsspec.filesystem("memory")
    for name, data in files.items():
        system.pipe_file(f"{place}/{name}", data)
    return ObjectStore(system)


def test_a_directory_has_its_objects_by_their_paths(place: str) -> None:
    put(place, {"a.txt": b"abc", "b/c.txt": b""})
    found = find_objects(f"memory:/{place}")
    assert isinstance(found, ObjectDirectory)
    assert {name: thing.size for name, thing in found.objects.items()} == {"a.txt": 3, "b/c.txt": 0}
    assert found.objects["a.txt"].url == f"memory:/{place}/a.txt"


def test_names_that_no_file_can_have_are_all_named(place: str) -> None:
    class Listed(MemoryFileSystem):  # a stand-in: object stores have such names, file systems do not
        cachable = False

        def find(self, path: str, **how: Any) -> dict[str, Any]:
            names = ("a", "a/b", "c//d", "../e", "./f", "good")
            return {f"{place}/{name}": {"type": "file", "size": 1, "ETag": "x"} for name in names}

    system = put(place, {"good": b"x"})
    with pytest.raises(kitops.SourceError, match="no files of a kit") as error:
        ObjectStore(Listed()).find(place)
    for bad in ("a/b", "c//d", "../e", "./f"):
        assert f"/{bad}'" in str(error.value)
    assert "good'" not in str(error.value)
    assert system.find(place)


def told(system: Any = None, **info: Any) -> StoredObject:
    class Told(MemoryFileSystem):
        cachable = False

        def info(self, path: str, **how: Any) -> dict[str, Any]:
            return {"name": path, "type": "file", "size": 3, **info}

    found = ObjectStore(system or Told()).find("/x")
    assert isinstance(found, StoredObject)
    return found


def test_an_object_is_known_by_its_tag_and_not_by_its_time() -> None:
    one = object_stamp(told(ETag='"a"', LastModified=1.0))
    assert object_stamp(told(ETag="a", LastModified=2.0)) == one
    assert object_stamp(told(ETag="b", LastModified=1.0)) != one
    assert object_stamp(told(generation=5)) != object_stamp(told(generation=6))
    assert stat.S_IMODE(one[0]) == 0o644


def test_without_a_tag_its_time_tells_and_without_that_nothing_does() -> None:
    assert object_stamp(told(mtime=1.0)) != object_stamp(told(mtime=2.0))
    untold = told()
    assert untold.modified_ns > 10**18 * 4  # later than whatever is read
    assert is_racy(untold.modified_ns, 2 * 10**18)


def test_of_a_size_that_nobody_tells_no_layer_can_be_planned() -> None:
    with pytest.raises(kitops.SourceError, match="the size of 'memory://x' is not known"):
        told(size=None)


def test_objects_are_read_in_order_with_no_more_held_than_the_operation_may() -> None:
    control, held = Control(), []

    class Counting(MemoryFileSystem):
        cachable = False

        def cat_file(self, path: str, start: int | None = None, end: int | None = None, **how: Any) -> bytes:
            held.append(control.lanes._parts)
            return bytes([int(path[1:]) % 251]) * ((end or 0) - (start or 0))

    store = ObjectStore(Counting())
    objects = [StoredObject(store, f"/{number}", PART_BYTES + 5, "x", 0) for number in range(12)]
    ahead = ObjectsAhead(objects, control)
    view = memoryview(bytearray(1000_003))
    for number in range(12):
        left = PART_BYTES + 5
        while left:
            count = ahead.readinto(view[:left])
            assert bytes(view[:count]) == bytes([number]) * count
            left -= count
    ahead.close()
    assert 1 < max(held) <= 14
    assert control.lanes._parts == 0


def test_who_gets_no_room_ahead_reads_a_little_at_a_time(place: str) -> None:
    data = bytes(range(256)) * 16 * 1024
    store = put(place, {"a": data})
    control = Control()
    while control.lanes.reserve():
        pass
    found = store.find(f"{place}/a")
    assert isinstance(found, StoredObject)
    ahead = ObjectsAhead([found], control)
    view = memoryview(bytearray(len(data)))
    counts = []
    while sum(counts) < len(data):
        counts.append(ahead.readinto(view[sum(counts) :]))
    ahead.close()
    assert bytes(view) == data
    assert max(counts) <= 1024 * 1024


def test_waiting_for_a_store_ends_when_the_switch_is_flipped() -> None:
    import threading

    cancel, asked, go = Cancel(), threading.Event(), threading.Event()

    class Stuck(MemoryFileSystem):
        cachable = False

        def cat_file(self, path: str, **how: Any) -> bytes:
            asked.set()
            go.wait(30)
            return b"abc"

    control = Control(cancel=cancel)
    ahead = ObjectsAhead([StoredObject(ObjectStore(Stuck()), "/a", 3, "x", 0)], control)
    threading.Thread(target=lambda: (asked.wait(30), cancel.cancel()), daemon=True).start()
    with pytest.raises(kitops.CancelledError):
        ahead.readinto(memoryview(bytearray(3)))
    ahead.close()
    go.set()

"""Unpacked kits stay on disk, up to a limit: what was used longest ago goes, and nothing that is in use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitIOManager
from kitops_core.errors import StoreError
from kitops_core.orchestrate import unpacked as cached

LARGE = 10_000
DAY = 24 * 3600


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _as_a_process_that_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "_HELD", {})


def unpacked(name: str, cache: Path, *, kits: float = 0, age: float = 0) -> Path:
    """A kit of this name unpacked, where the cache may hold so many of them; last used so many seconds ago."""
    weights = Path("weights.bin")
    weights.write_bytes(name.encode() * LARGE)
    kitops.pack(kitops.Contents(model=weights, name="churn"), f"{name}:1")
    directory = cached.unpacked(ModelKit(KitOpsResource(), f"{name}:1"), cache, max_bytes=int(kits * LARGE * 1.2))
    cached._HELD.clear()  # as when the process that used it ended
    if age:
        os.utime(directory, (time.time() - age,) * 2)
    return directory


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_was_used_longest_ago_goes_first(cache: Path) -> None:
    first, second = unpacked("a", cache, age=300), unpacked("b", cache, age=200)
    assert unpacked("a", cache) == first  # used again
    third = unpacked("c", cache, kits=2)
    assert (first.is_dir(), second.is_dir(), third.is_dir()) == (True, False, True)
    assert not list(cache.glob(".unpacking-*"))


def test_without_a_limit_all_stay(cache: Path) -> None:
    kept = [unpacked(name, cache, age=age) for name, age in (("a", 3 * DAY), ("b", 2 * DAY), ("c", DAY))]
    assert all(directory.is_dir() for directory in kept)


def test_a_kit_larger_than_the_limit_is_there_as_long_as_it_is_used(cache: Path) -> None:
    assert (unpacked("a", cache, kits=0.1) / "weights.bin").stat().st_size == LARGE


@contextmanager
def another_process_uses(directory: Path) -> Iterator[None]:
    reference = f"{directory.parent / '.locks' / directory.name}"
    code = (
        "import sys; from pathlib import Path; from kitops_core.storage.local.locks import FileLock\n"
        "lock = FileLock(Path(sys.argv[1]), shared=True); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, reference], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate()


def test_what_another_process_uses_stays(cache: Path) -> None:
    first, second = unpacked("a", cache, age=300), unpacked("b", cache, age=200)
    with another_process_uses(first):
        third = unpacked("c", cache, kits=2)
        assert (first.is_dir(), second.is_dir(), third.is_dir()) == (True, False, True)
    unpacked("d", cache, kits=2)
    assert not first.is_dir()


def test_what_this_process_handed_out_stays(cache: Path) -> None:
    unpacked("a", cache)
    handed_out = cached.unpacked(ModelKit(KitOpsResource(), "a:1"), cache)
    os.utime(handed_out, (0, 0))
    held = dict(cached._HELD)
    assert unpacked("b", cache, kits=1).is_dir()
    assert handed_out.is_dir()
    assert list(held) == [handed_out]


def test_a_directory_of_somebody_else_is_left_alone(cache: Path) -> None:
    other = cache / "data"
    other.mkdir(parents=True)
    (other / "table.csv").write_bytes(b"1,2\n" * LARGE)
    unpacked("a", cache, kits=1)
    assert (other / "table.csv").exists()


def test_what_a_killed_process_left_goes_with_the_next_unpacking(cache: Path) -> None:
    left = cache / f".unpacking-{'0' * 12}"
    (left / "files" / "kit").mkdir(parents=True)
    (left / "lock").touch()
    unpacked("a", cache, kits=1)
    assert not list(cache.glob(".unpacking-*"))


def test_a_cache_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot unpack into") as caught:
        unpacked("a", tmp_path / "file" / "cache")
    assert "another directory" in caught.value.hint


def test_the_limit_is_the_io_managers(cache: Path) -> None:
    manager = ModelKitIOManager(kitops=KitOpsResource(), cache_dir=str(cache), cache_gib=LARGE * 1.5 / 2**30)
    first = unpacked("a", cache, age=300)
    unpacked("b", cache / "elsewhere")
    second = manager._unpacked(ModelKit(KitOpsResource(), "b:1"), ())
    assert (first.is_dir(), second.is_dir()) == (False, True)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        ModelKitIOManager(kitops=KitOpsResource(), cache_gib=-1)

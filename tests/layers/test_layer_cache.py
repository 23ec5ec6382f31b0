"""The layer cache remembers what is certain, and never stands in the way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.oci.manifest import Descriptor, sha256_digest
from kitops_core.storage.local import CachedLayer, LayerCache, LocalStore
from kitops_core.storage.local import layer_cache as module
from kitops_core.storage.local.layer_cache import is_racy

LAYER = Descriptor("application/vnd.kitops.modelkit.model.v1.tar+gzip", sha256_digest(b"stored"), 6)
DIFF_ID = sha256_digest(b"unpacked")
SECOND = 1_000_000_000
LONG_AGO = 1_700_000_000 * SECOND + 123


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    return LocalStore(tmp_path).layer_cache()


def put(cache: LayerCache, key: str = "key", repository: str = "localhost/kit", layer: Descriptor = LAYER) -> None:
    cache.put(key, layer, DIFF_ID, repository, newest_ns=LONG_AGO, started_ns=time.time_ns())


def test_what_was_put_is_found_by_its_key_only(cache: LayerCache, tmp_path: Path) -> None:
    put(cache)
    assert cache.get("key") == CachedLayer(LAYER.digest, 6, DIFF_ID, LAYER.media_type, ["localhost/kit"])
    assert cache.get("other") is None
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "cache" / "layers"]


def test_repositories_add_up_the_last_first_and_not_for_ever(cache: LayerCache) -> None:
    for number in range(20):
        put(cache, repository=f"localhost/{number}")
    put(cache, repository="localhost/15")
    layer = cache.get("key")
    assert layer is not None
    assert layer.repositories == [f"localhost/{n}" for n in (15, 19, 18, 17, 16, 14, 13, 12)]


def test_another_digest_forgets_where_the_old_one_was(cache: LayerCache) -> None:
    put(cache)
    put(cache, repository="localhost/new", layer=Descriptor(LAYER.media_type, sha256_digest(b"other"), 5))
    layer = cache.get("key")
    assert layer is not None
    assert (layer.digest, layer.repositories) == (sha256_digest(b"other"), ["localhost/new"])


def test_putting_the_same_again_writes_nothing(cache: LayerCache, tmp_path: Path) -> None:
    put(cache)
    (path,) = tmp_path.rglob("*.json")
    before = path.stat().st_ino
    put(cache)
    assert path.stat().st_ino == before


def test_a_push_of_many_layers_writes_little(cache: LayerCache, tmp_path: Path) -> None:
    for number in range(100):
        put(cache, key=f"{sha256_digest(bytes([number]))} {LAYER.media_type} gzip", repository="registry.example.com/x")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.json")) < 100 * 600


@pytest.mark.parametrize(
    ("newest_ns", "started_ns", "racy"),
    [
        (10 * SECOND + 1, 10 * SECOND + 19_000_000, True),
        (10 * SECOND + 1, 10 * SECOND + 21_000_000, False),
        (10 * SECOND + 1, 10 * SECOND, True),
        (10 * SECOND, 11 * SECOND + 900_000_000, True),
        (10 * SECOND, 12 * SECOND, True),
        (10 * SECOND, 12 * SECOND + 1, False),
        (60 * SECOND + 1, 10 * SECOND, True),
    ],
    ids=["just", "settled", "later", "coarse-just", "coarse-equal", "coarse-settled", "future"],
)
def test_files_that_may_have_changed_unseen_are_not_remembered(
    cache: LayerCache, newest_ns: int, started_ns: int, racy: bool
) -> None:
    assert is_racy(newest_ns, started_ns) is racy
    cache.put("key", LAYER, DIFF_ID, "localhost/kit", newest_ns=newest_ns, started_ns=started_ns)
    assert (cache.get("key") is None) is racy


def test_a_file_written_just_now_is_racy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    assert is_racy(path.stat().st_ctime_ns, time.time_ns())


@given(st.binary(max_size=200))
def test_whatever_is_in_an_entry_get_does_not_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    cache = LayerCache(tmp_path_factory.getbasetemp() / "fuzz")
    put(cache)
    cache._path("key").write_bytes(data)
    assert cache.get("key") is None


@pytest.mark.parametrize(
    "change",
    [{"digest": "sha256:x"}, {"size": "6"}, {"size": -1}, {"diffId": 5}, {"repositories": 1}, {"key": "a collision"}],
)
def test_an_entry_with_a_wrong_field_is_no_entry(cache: LayerCache, tmp_path: Path, change: dict[str, object]) -> None:
    put(cache)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert cache.get("key") is None
    put(cache)
    assert cache.get("key") is not None


def test_a_cache_that_cannot_be_written_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    cache = LocalStore(tmp_path).layer_cache()
    put(cache)
    assert cache.get("key") is None


def test_the_oldest_go_when_there_are_too_many(
    cache: LayerCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 16)
    for number in range(16):
        put(cache, key=str(number))
        then = time.time() - 1000 + number
        os.utime(cache._path(str(number)), (then, then))
    cache.get("0")  # being used makes it young
    put(LayerCache(cache._directory), key="one too many")
    left = {key for key in [*map(str, range(16)), "one too many"] if cache.get(key) is not None}
    assert left == {"0", "one too many"} | set(map(str, range(4, 16)))
    assert len(list(tmp_path.rglob("*.json"))) == 14


def test_who_remembers_many_looks_now_and_then_whether_there_are_too_many(
    cache: LayerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 8)
    monkeypatch.setattr(module, "_LOOK_EVERY", 4)
    counts = []
    for number in range(40):
        put(cache, key=str(number))
        counts.append(cache.entries()[0])
    assert 8 < max(counts) <= 8 + 4

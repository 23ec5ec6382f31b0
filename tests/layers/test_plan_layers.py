"""Planned layers: of files from anywhere, their fingerprints, their sizes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_files import names, plan_one, plan_paths, read, write_files

from kitops_core.errors import SourceError
from kitops_core.layers.plan import Context

GIB = 1024**3


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory to pack."""
    return tmp_path / "context"


# --- files from anywhere


def test_files_from_anywhere_take_their_path_in_the_kit(tmp_path: Path) -> None:
    write_files(tmp_path / "one", {"m.onnx": "model", "other": ""})
    write_files(tmp_path / "two", {"x.csv": "", "deep/y.csv": ""})
    context = Context.from_files({"model/m.onnx": tmp_path / "one/m.onnx", "data": tmp_path / "two"})
    model, data = plan_paths(context, "model/m.onnx", "data")
    assert names(model) == ["model", "model/m.onnx"]
    assert names(data) == ["data", "data/deep", "data/deep/y.csv", "data/x.csv"]
    assert read(plan_one(context, "data")) == read(data)


def test_files_from_anywhere_make_the_layers_that_a_directory_of_them_would(tmp_path: Path) -> None:
    write_files(tmp_path / "one", {"m.onnx": "model"})
    write_files(tmp_path / "kit", {"model/v1/m.onnx": "model"})
    apart = Context.from_files({"model/v1/m.onnx": tmp_path / "one/m.onnx"})
    for path in ("model/v1/m.onnx", "model", "."):
        assert read(plan_one(apart, path)) == read(plan_one(tmp_path / "kit", path))


def test_a_file_named_by_a_link_is_the_file(tmp_path: Path) -> None:
    write_files(tmp_path, {"blobs/abc": "model"})
    (tmp_path / "model.bin").symlink_to("blobs/abc")
    context = Context.from_files({"model.bin": tmp_path / "model.bin"})
    assert names(plan_one(context, "model.bin")) == ["model.bin"]
    assert b"model" in read(plan_one(context, "model.bin"))


def test_a_path_inside_another_that_is_the_same_file_is_fine(tmp_path: Path) -> None:
    write_files(tmp_path, {"out/model.onnx": "m", "out/card.md": "c"})
    context = Context.from_files({"out/model.onnx": tmp_path / "out/model.onnx", "./out/": tmp_path / "out"})
    assert [names(layer) for layer in plan_paths(context, "out/model.onnx", "out")] == [
        ["out", "out/model.onnx"],
        ["out", "out/card.md"],
    ]


def test_files_from_anywhere_may_be_a_whole_context(tmp_path: Path) -> None:
    write_files(tmp_path, {"x": "x", "d/y": "y"})
    assert names(plan_one(Context.from_files({".": tmp_path}), ".")) == ["d", "d/y", "x"]


def test_contradicting_and_escaping_paths_are_named_at_once(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/x": "", "b": ""})
    files = {"a": tmp_path / "a", "a/x": tmp_path / "b", "../c": tmp_path / "b", "/d": tmp_path / "b"}
    with pytest.raises(SourceError) as caught:
        Context.from_files(files)
    assert str(caught.value).startswith("3 paths cannot be packed")
    assert all(f"'{path}'" in str(caught.value) for path in ("a/x", "../c", "/d"))


def test_a_missing_file_from_anywhere_is_named(tmp_path: Path) -> None:
    context = Context.from_files({"m": tmp_path / "nowhere"})
    with pytest.raises(SourceError, match="'m' does not exist in the files given"):
        plan_one(context, "m")
    with pytest.raises(SourceError, match="'other' does not exist in the files given"):
        plan_one(context, "other")


# --- fingerprints


@pytest.fixture
def packed(context: Path) -> Iterator[Path]:
    """A context of two files, a day old."""
    write_files(context, {"d/a": "aaaa", "d/b": "bbbb", "e": "e"})
    for path in ("d/a", "d/b", "e"):
        os.utime(context / path, (1_700_000_000, 1_700_000_000))
    return context


def test_an_unchanged_layer_keeps_its_fingerprint(packed: Path) -> None:
    before = plan_one(packed, "d").fingerprint()
    assert plan_one(packed, "d").fingerprint() == before
    (packed / "e").write_text("elsewhere")
    (packed / "d/cache").mkdir()
    (packed / "d/cache").rmdir()
    assert plan_one(packed, "d").fingerprint() == before
    assert len(before) == 64


def test_any_change_to_a_layer_changes_its_fingerprint(packed: Path) -> None:
    seen = {plan_one(packed, "d").fingerprint()}

    def changed() -> bool:
        seen.add(plan_one(packed, "d").fingerprint())
        return len(seen) == changes

    for changes, change in enumerate(
        [
            lambda: (packed / "d/a").write_text("AAAA"),
            lambda: os.utime(packed / "d/a", (1_700_000_000, 1_700_000_000)),  # ctime still tells
            lambda: (packed / "d/a").chmod(0o600),
            lambda: (packed / "d").chmod(0o700),
            lambda: (packed / "d/a").rename(packed / "d/c"),
            lambda: (packed / "d/empty").mkdir(),
            lambda: (packed / "d/b").unlink(),
        ],
        start=2,
    ):
        change()
        assert changed(), changes


def test_a_raw_layer_has_another_fingerprint_than_a_tar(packed: Path) -> None:
    raw, tar = plan_paths(packed, "e", layer_format="raw")[0], plan_one(packed, "e")
    assert raw.fingerprint() != tar.fingerprint()


def test_what_other_layers_take_is_in_the_fingerprint(packed: Path) -> None:
    assert plan_one(packed, "d").fingerprint() != plan_one(packed, "d", "d/b").fingerprint()


def test_the_newest_change_is_known(packed: Path) -> None:
    layer = plan_one(packed, "d")
    status = (packed / "d/b").stat()
    assert layer.newest_ns == max(status.st_ctime_ns, (packed / "d/a").stat().st_ctime_ns)
    (packed / "d/a").unlink()
    (packed / "d/b").unlink()
    assert plan_one(packed, "d").newest_ns == 0


# --- sizes


FILES = st.tuples(
    st.lists(st.sampled_from(["a", "bb", "é", "n" * 60, "m" * 110, "x y", ".h"]), min_size=1, max_size=4),
    st.binary(max_size=1500),
)


@settings(max_examples=60)
@given(st.lists(FILES, max_size=8))
def test_the_size_is_known_before_a_byte_is_read(files: list[tuple[list[str], bytes]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        for path, content in files:
            place = context.joinpath(*path)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            except (NotADirectoryError, IsADirectoryError, FileExistsError):
                continue
        layer = plan_one(context, ".")
        assert len(read(layer)) == layer.size


def test_a_sparse_file_of_9_gib_has_a_pax_header_and_its_exact_size(context: Path) -> None:
    write_files(context, {"big.bin": ""})
    os.truncate(context / "big.bin", 9 * GIB)
    assert plan_one(context, "big.bin").size == 3 * 512 + 9 * GIB + 1024
    assert plan_paths(context, "big.bin", layer_format="raw")[0].size == 9 * GIB


MEMORY = """
import sys
from pathlib import Path
from layer_files import plan_one, source
layer = plan_one(Path(sys.argv[1]), ".")
assert layer.file_count == 100_000
assert sum(len(view) for view in source(layer).stream()) == layer.size
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from /proc")
def test_100_000_files_are_packed_in_little_memory(context: Path) -> None:
    for index in range(100):
        directory = context / f"{index:02}"
        directory.mkdir(parents=True)
        for number in range(1000):
            (directory / f"record-{number:06}.json").write_bytes(b"{}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = [sys.executable, "-c", MEMORY, str(context)]
    result = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 60 * 1024  # KiB


@pytest.mark.slow
def test_a_very_deep_tree_is_packed(context: Path) -> None:
    context.mkdir()
    place = str(context)
    for _ in range(1200):  # deeper than Python may recurse
        place += "/d"
        os.mkdir(place)
    layer = plan_one(context, ".")
    assert len(names(layer)) == 1200
    assert len(read(layer)) == layer.size
    while len(place) > len(str(context)):  # shutil.rmtree() of some Python versions cannot
        os.rmdir(place)
        place = place.removesuffix("/d")

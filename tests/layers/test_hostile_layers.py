"""Layers made to do harm: each is refused by name, and nothing is ever written outside the staging directory."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tar_samples import END, Pieces, blob, entry, header, padded, pax, tar_of

from kitops_core.errors import IntegrityError, KitOpsError, UnsafeLayerError
from kitops_core.events import Control
from kitops_core.layers.codecs import decompressed
from kitops_core.layers.extract import Limits, extract_tar
from kitops_core.layers.staging import Staging

ROOMY = Limits(1 << 30)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A directory with something worth attacking, and a target two levels down that is not there yet."""
    (tmp_path / "secret").write_text("untouched")
    (tmp_path / "home").mkdir()
    return tmp_path


def attack(world: Path, data: bytes, limits: Limits = ROOMY) -> None:
    """Unpack the layer as the engine does; then nothing but a published target may be new."""
    try:
        with Staging(world / "home" / "target") as staging:
            extract_tar(Pieces(data), staging.fd, control=Control(), limits=limits, name="data")
            assert_untouched(world, staging.path.parent)
            staging.publish()
    finally:
        assert_untouched(world, world / "home" / "target")


def assert_untouched(world: Path, allowed: Path) -> None:
    found = {path for path in world.rglob("*") if allowed not in (path, *path.parents)}
    assert found == {world / "secret", world / "home"}
    assert (world / "secret").read_text() == "untouched"


def refused(world: Path, data: bytes, message: str, limits: Limits = ROOMY) -> None:
    with pytest.raises(UnsafeLayerError, match=message) as caught:
        attack(world, data, limits)
    assert caught.value.exit_code == 6
    assert caught.value.message.startswith("layer 'data'")
    assert not (world / "home" / "target").exists()


ESCAPES = [
    b"/etc/cron.d/x",
    b"//x",
    b"../../secret",
    b"..",
    b"a/../../../secret",
    b"a/..",
    b"./../x",
    b"././x",
    b"a/./b",
    b"a//b",
    b"a/",
    b"/",
    b"",
    b".",
    b"./",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_file_whose_name_leads_elsewhere_is_refused(world: Path, name: bytes) -> None:
    refused(world, entry(b"ok", b"1") + entry(name, b"evil") + END, "no safe name")


@pytest.mark.parametrize("name", [name for name in ESCAPES if name not in (b"", b".", b"./", b"a/")])
def test_a_directory_whose_name_leads_elsewhere_is_refused(world: Path, name: bytes) -> None:
    refused(world, header(name, kind=b"5") + END, "no safe name")


@pytest.mark.parametrize("name", [b"../x", b"/x", b"a\0/../../x", b"a\0b", b"a/\0", b"\0/a"])
def test_long_names_are_checked_like_others(world: Path, name: bytes) -> None:
    refused(world, pax([(b"path", name)]) + entry(b"innocent", b"evil") + END, "no safe name")
    refused(world, entry(b"L", name + b"x\0", kind=b"L") + entry(b"innocent", b"evil") + END, "no safe name")


def test_a_prefix_cannot_hide_an_escape(world: Path) -> None:
    refused(world, entry(b"secret", b"evil", prefix=b"../..") + END, "no safe name")
    refused(world, entry(b"x", b"evil", prefix=b"/etc") + END, "no safe name")
    refused(world, entry(b"/x", b"evil", prefix=b"a") + END, "no safe name")
    refused(world, entry(b"", b"evil", prefix=b"a") + END, "no safe name")


def test_an_empty_part_is_refused_also_where_the_directory_is_open_already(world: Path) -> None:
    refused(world, entry(b"a/b", b"1") + entry(b"a//c", b"2") + END, "no safe name")
    refused(world, entry(b"a/b/c", b"1") + entry(b"a/b/../c", b"2") + END, "no safe name")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (b"1", "a hard link"),
        (b"2", "a symbolic link"),
        (b"3", "a character device"),
        (b"4", "a block device"),
        (b"6", "a fifo"),
        (b"7", "of an unknown type"),
        (b"S", "a sparse file"),
        (b"V", "of an unknown type"),
        (b"\xff", "of an unknown type"),
    ],
)
def test_what_is_neither_file_nor_directory_is_refused(world: Path, kind: bytes, what: str) -> None:
    refused(world, header(b"thing", kind=kind, link=b"../../secret") + END, f"'thing' is {what}")


def test_a_file_through_a_symbolic_link_never_gets_that_far(world: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        link = tarfile.TarInfo("exit")
        link.type, link.linkname = tarfile.SYMTYPE, str(world)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("exit/secret"))
    refused(world, out.getvalue(), "'exit' is a symbolic link")


def test_a_symbolic_link_that_someone_else_planted_is_not_followed(world: Path) -> None:
    with Staging(world / "home" / "target") as staging:
        (staging.path / "exit").symlink_to(world)
        (staging.path / "file").symlink_to(world / "secret")
        (staging.path / "dangling").symlink_to(world / "new")
        for name in (b"exit/x", b"exit/home/x", b"file", b"dangling"):
            with pytest.raises(UnsafeLayerError):
                extract_tar(Pieces(entry(name, b"evil")), staging.fd, control=Control(), limits=ROOMY, name="data")
        with pytest.raises(UnsafeLayerError):
            extract_tar(Pieces(header(b"exit", kind=b"5")), staging.fd, control=Control(), limits=ROOMY, name="data")
        assert_untouched(world, staging.path.parent)


@pytest.mark.parametrize(
    "data",
    [
        entry(b"a", b"1") + entry(b"a", b"2"),
        entry(b"a", b"1") + entry(b"./a", b"2"),
        entry(b"a", b"1") + pax([(b"path", b"a")]) + entry(b"b", b"2"),
        entry(b"a", b"1") + header(b"a", kind=b"5"),
        header(b"a", kind=b"5") + entry(b"a", b"1"),
        entry(b"d/a", b"1") + entry(b"d", b"2"),
    ],
)
def test_one_name_for_two_things_is_refused(world: Path, data: bytes) -> None:
    refused(world, data + END, "is there twice, or once as a file and once as a directory")


def test_a_file_below_a_file_is_refused(world: Path) -> None:
    refused(world, entry(b"a", b"1") + entry(b"a/b", b"2") + END, "'a/b' lies below a file")


def test_two_layers_with_one_file_are_refused(world: Path) -> None:
    with Staging(world / "home" / "target") as staging:
        extract_tar(Pieces(entry(b"d/a", b"1")), staging.fd, control=Control(), limits=ROOMY, name="model")
        with pytest.raises(UnsafeLayerError, match="layer 'code': entry 'd/a' is there twice"):
            extract_tar(Pieces(entry(b"d/a", b"2")), staging.fd, control=Control(), limits=ROOMY, name="code")


def test_names_and_paths_longer_than_a_file_system_takes_are_refused(world: Path) -> None:
    refused(world, pax([(b"path", b"n" * 300)]) + entry(b"x") + END, "name too long for this file system")
    refused(world, pax([(b"path", b"d/" * 300 + b"x")]) + entry(b"x") + END, "more than 255 directories deep")


def test_the_deepest_path_taken_can_be_made_published_and_removed(world: Path) -> None:
    attack(world, pax([(b"path", b"d/" * 255 + b"x")]) + entry(b"x", b"1") + END)
    with contextlib.suppress(KitOpsError):
        attack(world, pax([(b"path", b"d/" * 255 + b"x")]) + entry(b"x", b"1") + header(b"y", kind=b"6"))


def test_a_size_beyond_the_layer_is_refused_before_anything_is_written(world: Path) -> None:
    huge = b"\x80" + (1 << 62).to_bytes(11, "big")
    refused(world, header(b"a", huge) + END, "more than the whole layer")
    refused(world, pax([(b"size", str(1 << 62).encode())]) + entry(b"a") + END, "more than the whole layer")


def test_a_size_beyond_the_stream_is_an_error(world: Path) -> None:
    with pytest.raises(IntegrityError, match="middle of an entry"):
        attack(world, header(b"a", 5000) + padded(b"short") + END)
    assert not (world / "home" / "target").exists()


def test_a_pax_size_that_would_swallow_other_entries_only_makes_them_content(world: Path) -> None:
    hidden = entry(b"../../secret", b"evil")
    attack(world, pax([(b"size", b"%d" % len(hidden))]) + header(b"a") + hidden + END)
    assert (world / "home/target/a").read_bytes() == hidden


def test_too_many_entries_are_refused(world: Path) -> None:
    data = b"".join(entry(b"%d" % number) for number in range(20)) + END
    refused(world, data, "more than 19 entries", Limits(1 << 20, max_entries=19))
    refused(world, header(b".", kind=b"5") * 20 + END, "more than 19 entries", Limits(1 << 20, max_entries=19))
    attack(world, data, Limits(1 << 20, max_entries=20))


BOMB = tar_of({f"zeros-{number}": bytes(100_000) for number in range(300)})


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(world: Path, compression: str) -> None:
    stored = gzip.compress(BOMB) if compression == "gzip" else zstandard.compress(BOMB)
    limits = Limits.for_layer(len(stored), "gzip", max_ratio=10)
    with Staging(world / "home" / "target") as staging, blob(stored) as reader:
        stream = decompressed(reader, compression)  # type: ignore[arg-type]
        with pytest.raises(UnsafeLayerError, match="unpacks to more than") as caught:
            extract_tar(stream, staging.fd, control=Control(), limits=limits, name="data")
        assert "--max-ratio" in caught.value.hint
        written = sum(path.stat().st_size for path in staging.path.rglob("*"))
        assert written <= limits.max_bytes
    assert not (world / "home" / "target").exists()


def test_a_bomb_of_zeros_after_the_trailer_is_stopped_too(world: Path) -> None:
    refused(world, END + bytes(5_000_000), "unpacks to more than 2000000 bytes", Limits(2_000_000))


def test_a_layer_with_more_bytes_than_the_manifest_says_is_refused(world: Path) -> None:
    data = tar_of({"a": b"1" * 5000})
    refused(world, data, "unpacks to more than", Limits.for_layer(len(data) - 1, "none"))


def test_every_truncation_leaves_nothing(world: Path) -> None:
    data = tar_of({"d/": b"", "d/a": b"a" * 600, "d/b": b"b"}, tarfile.PAX_FORMAT)[:3000]
    for length in range(1, len(data), 61):
        with contextlib.suppress(IntegrityError), Staging(world / "home" / "target") as staging:
            extract_tar(Pieces(data[:length]), staging.fd, control=Control(), limits=ROOMY, name="data")
        assert os.listdir(world / "home") == []


@given(data=st.data())
@settings(max_examples=60)
def test_a_mutated_archive_writes_nothing_outside(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = tmp_path_factory.mktemp("world")
    (world / "secret").write_text("untouched")
    (world / "home").mkdir()
    archive = bytearray(
        pax([(b"path", b"../secret")])[:512]
        + pax([(b"path", b"d/a")])
        + entry(b"x", b"1" * 40)
        + entry(b"d/../b", b"2")
    )
    for _ in range(data.draw(st.integers(1, 5))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.sampled_from(list(b"\0./012567LSx \xff")))
    with contextlib.suppress(KitOpsError):
        attack(world, bytes(archive), Limits(100_000, max_entries=50))


parts = st.sampled_from([b"", b".", b"..", b"a", b"b", b"\\", b"d", b"secret", b"home"])


@given(st.lists(st.tuples(st.lists(parts, min_size=1, max_size=5), st.sampled_from([b"0", b"5"])), max_size=8))
@settings(max_examples=60)
def test_no_sequence_of_names_gets_out(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[list[bytes], bytes]]
) -> None:
    world = tmp_path_factory.mktemp("world")
    (world / "secret").write_text("untouched")
    (world / "home").mkdir()
    with contextlib.suppress(KitOpsError):
        attack(world, b"".join(header(b"/".join(name), kind=kind) for name, kind in items) + END)

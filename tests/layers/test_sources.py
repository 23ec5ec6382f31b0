"""Layers as blobs: their bytes, their digests, and what happens when files change under the reader."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from golden_cases import Case, layer_tar, load_cases
from layer_files import members, names, open_below, plan_one, plan_paths, read, source, write_files

from kitops_core.errors import SourceChangedError, SourceError
from kitops_core.events import Control
from kitops_core.kitfile import Kitfile
from kitops_core.layers import readahead
from kitops_core.layers.plan import Context, LayerPlan, Part, plan
from kitops_core.layers.sources import READ_BYTES, LayerSource
from kitops_core.oci.blob import BlobSource
from kitops_core.oci.manifest import Descriptor, sha256_digest
from kitops_core.oci.media_types import LayerType

MIB = 1024 * 1024
GIB = 1024 * MIB


def plan_case(case: Case, directory: Path) -> list[LayerPlan]:
    kitfile = Kitfile.load(case.write(directory) / "Kitfile")
    parts = [Part(entry.address, entry.section, entry.path) for entry in kitfile.entries()]
    return plan(Context.from_directory(directory), parts, control=Control())


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory to pack."""
    return tmp_path / "context"


# --- the bytes


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_every_layer_is_the_references_byte_for_byte(case: Case, tmp_path: Path) -> None:
    layers = plan_case(case, tmp_path / "context")
    assert len(layers) == len(case.layers)
    for layer, expected in zip(layers, case.layers, strict=True):
        data = read(layer)
        assert data == layer_tar(expected)
        assert sha256_digest(data) == expected["diffId"]
        assert LayerType(layer.section).modelkit() == expected["mediaType"].partition("+")[0]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_a_compressed_layer_has_the_references_diff_id(case: Case, compression: str, tmp_path: Path) -> None:
    for layer, expected in zip(plan_case(case, tmp_path / "context"), case.layers, strict=True):
        blob = source(layer, compression)
        assert blob.diff_id is None
        assert blob.media_type.endswith(f".tar+{compression}")
        assert b"".join(map(bytes, blob.stream()))
        assert blob.diff_id == expected["diffId"]


def test_python_reads_what_was_written(context: Path) -> None:
    write_files(context, {"d/run.sh": "#!/bin/sh\n", "d/key": "k", "d/shared/x": "x", "d/empty": "", "d/Ünï/é": "u"})
    modes = {"d/run.sh": 0o4755, "d/key": 0o600, "d/shared": 0o2775, "d": 0o1777}
    for path, mode in modes.items():
        (context / path).chmod(mode)
    found = {member.name: member for member in members(read(plan_one(context, "d")))}
    assert [*found] == ["d", "d/empty", "d/key", "d/run.sh", "d/shared", "d/shared/x", "d/Ünï", "d/Ünï/é"]
    assert {path: found[path].mode for path in modes} == modes
    assert found["d"].isdir()
    assert found["d/run.sh"].isfile()
    assert found["d/run.sh"].size == 10


@pytest.mark.parametrize(
    "size", [0, 1, 511, 512, 513, MIB - 1024, MIB - 512, MIB - 511, MIB, MIB + 1, 3 * MIB, 5 * MIB - 7]
)
def test_sizes_around_the_buffers_are_nothing_special(context: Path, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    write_files(context, {"a": b"first", "b.bin": data, "c": b"last"})
    layer = plan_one(context, ".")
    tar = read(layer)
    assert len(tar) == layer.size
    assert tar[1024 + 512 : 1024 + 512 + size] == data
    assert [(m.name, m.size) for m in members(tar)] == [("a", 5), ("b.bin", size), ("c", 4)]


def test_many_small_files_fill_one_reused_buffer(context: Path) -> None:
    write_files(context, {f"{number:04}.txt": b"x" * (number % 3000) for number in range(1000)})
    layer = plan_one(context, ".")
    sizes, buffers = [], set()
    digest = hashlib.sha256()
    for view in source(layer).stream():
        sizes.append(len(view))
        buffers.add(id(view.obj))
        digest.update(view)
    assert len(buffers) == 1
    assert max(sizes) <= READ_BYTES
    assert min(sizes[:-1]) > READ_BYTES - 4096
    assert digest.hexdigest() == hashlib.sha256(read(layer)).hexdigest()


def test_a_stream_can_be_started_again(context: Path) -> None:
    write_files(context, {"a": b"a" * MIB, "b": b"b" * MIB})
    for compression in ("none", "gzip", "zstd"):
        blob = source(plan_one(context, "."), compression)
        next(blob.stream())
        stream = blob.stream()
        next(stream)
        first = b"".join(map(bytes, blob.stream()))
        assert b"".join(map(bytes, blob.stream())) == first


def test_a_stream_that_is_left_early_closes_its_files(context: Path) -> None:
    write_files(context, {"a": b"a" * (5 * MIB)})
    for compression in ("none", "gzip", "zstd"):
        stream = source(plan_one(context, "."), compression).stream()
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert open_below(context) == []


def test_a_raw_layer_is_the_files_bytes(context: Path) -> None:
    data = os.urandom(2 * MIB + 5)
    write_files(context, {"m/model.bin": data})
    (layer,) = plan_paths(context, "m/model.bin", layer_format="raw")
    assert read(layer) == data
    blob = source(layer, "gzip")
    assert b"".join(map(bytes, blob.stream()))
    assert blob.diff_id == sha256_digest(data)
    assert blob.media_type == "application/vnd.kitops.modelkit.code.v1.raw+gzip"


def test_an_empty_raw_layer_is_empty(context: Path) -> None:
    write_files(context, {"empty": ""})
    assert read(plan_paths(context, "empty", layer_format="raw")[0]) == b""


def test_a_sparse_file_of_more_than_8_gib_has_its_size_in_a_pax_header(context: Path) -> None:
    write_files(context, {"big.bin": ""})
    size = 8 * GIB + 5
    os.truncate(context / "big.bin", size)
    layer = plan_one(context, "big.bin")
    assert layer.size == 3 * 512 + size + 507 + 1024
    first = bytes(next(source(layer).stream()))
    assert len(first) == READ_BYTES
    assert b"19 size=8589934597\n" in first[512:1024]
    assert not any(first[1536:])


# --- what a source says of itself


def test_a_source_says_what_a_storage_asks(context: Path) -> None:
    write_files(context, {"data/x": "x"})
    (layer,) = plan(Context.from_directory(context), [Part("datasets[0]", "dataset", "./data/")], control=Control())
    blob: BlobSource = LayerSource(layer, LayerType("dataset"))
    assert (blob.name, blob.size, blob.known, blob.verified) == ("data", layer.size, None, False)
    assert blob.media_type == "application/vnd.kitops.modelkit.dataset.v1.tar"
    assert LayerSource(layer, LayerType("dataset"), model_pack=True).media_type == (
        "application/vnd.cncf.model.dataset.v1.tar"
    )
    assert LayerSource(layer, LayerType("dataset", "tar", "gzip")).size is None


def test_a_known_digest_is_passed_on(context: Path) -> None:
    write_files(context, {"x": "x"})
    known = Descriptor("a/b", "sha256:" + "0" * 64, 5)
    assert LayerSource(plan_one(context, "x"), LayerType("code"), known=known).known is known


def test_without_compression_the_diff_id_is_left_to_whoever_hashes(context: Path) -> None:
    write_files(context, {"x": "x"})
    blob = source(plan_one(context, "x"))
    for _ in blob.stream():
        pass
    assert blob.diff_id is None


def test_the_fastest_compression_is_larger(context: Path) -> None:
    write_files(context, {"x": b"".join(b"%d\n" % number for number in range(100_000))})
    layer = plan_one(context, "x")
    assert len(read(layer, "gzip")) < len(read(layer, "gzip", fastest=True)) < layer.size


def test_layers_are_annotated_with_their_path() -> None:
    assert LayerType("docs").annotations("a/x.md") == {"org.cncf.model.filepath": "a/x.md"}
    assert LayerType("prompt").annotations("a") == {
        "org.cncf.model.filepath": "a",
        "ml.kitops.modelkit.layer-subtype": "prompt",
    }
    assert LayerType("docs", "raw").annotations("a/x.md")["org.opencontainers.image.title"] == "a/x.md"


# --- files that change

Change = Callable[[Path], object]


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)


def _become(make: Callable[[Path], object]) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


CHANGES: dict[str, tuple[Change, str]] = {
    "shrinks": (lambda path: os.truncate(path, 3), "shrank from 3000000 to 3 bytes"),
    "grows": (
        lambda path: path.open("ab").close() or os.truncate(path, 3_000_001),
        "grew from 3000000 to 3000001 bytes",
    ),
    "is rewritten": (lambda path: path.write_bytes(b"y" * 3_000_000), "was changed"),
    "is touched": (lambda path: os.utime(path), "was changed"),
    "gets another mode": (lambda path: path.chmod(0o600), "was changed"),
    "is replaced by its copy": (_replace, "was replaced"),
    "is removed": (lambda path: path.unlink(), "was removed or replaced"),
    "becomes a link": (_become(lambda path: path.symlink_to("a")), "was removed or replaced"),
    "becomes a directory": (_become(lambda path: path.mkdir()), "was replaced"),
    "becomes a pipe": (_become(os.mkfifo), "was replaced"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_file_that_changed_since_the_plan_is_an_error(
    context: Path, change: Change, message: str, compression: str
) -> None:
    write_files(context, {"d/a": "first", "d/b": b"x" * 3_000_000})
    layer = plan_one(context, "d")
    time.sleep(0.01)  # file systems count time in ticks
    change(context / "d/b")
    with pytest.raises(SourceChangedError, match=f"'d/b' {message} while it was packed") as caught:
        read(layer, compression)
    assert caught.value.hint


@pytest.mark.parametrize("change", ["shrinks", "grows", "is rewritten", "is touched"])
def test_a_file_that_changes_while_it_is_read_is_an_error(context: Path, change: str) -> None:
    write_files(context, {"d/b": b"x" * 3_000_000})
    stream = source(plan_one(context, "d")).stream()
    next(stream)
    time.sleep(0.01)
    CHANGES[change][0](context / "d/b")
    with pytest.raises(SourceChangedError, match="'d/b'"):
        for _ in stream:
            pass


def test_a_small_file_that_changes_is_an_error_too(context: Path) -> None:
    write_files(context, {"d/b": "small"})
    layer = plan_one(context, "d")
    time.sleep(0.01)
    (context / "d/b").write_text("SMALL")
    with pytest.raises(SourceChangedError, match="'d/b' was changed"):
        read(layer)


def test_a_raw_file_that_changes_is_an_error_too(context: Path) -> None:
    write_files(context, {"model.bin": "small"})
    (layer,) = plan_paths(context, "model.bin", layer_format="raw")
    time.sleep(0.01)
    (context / "model.bin").write_text("larger than before")
    with pytest.raises(SourceChangedError, match=r"'model\.bin' grew from 5 to 18 bytes"):
        read(layer)


def test_a_directory_that_is_swapped_for_a_link_is_not_followed(context: Path, tmp_path: Path) -> None:
    write_files(context, {"d/b": "secret?"})
    write_files(tmp_path / "elsewhere", {"b": "secret!"})
    layer = plan_one(context, "d")
    (context / "d").rename(tmp_path / "moved")
    (context / "d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceChangedError, match="'d/b' was removed or replaced"):
        read(layer)


def test_files_that_come_after_the_plan_are_not_packed(context: Path) -> None:
    write_files(context, {"d/a": "a"})
    layer = plan_one(context, "d")
    write_files(context, {"d/b": "b", "e": "e"})
    assert [member.name for member in members(read(layer))] == ["d", "d/a"]


def test_an_error_of_the_system_names_the_file(context: Path) -> None:
    write_files(context, {"d/a": "a"})
    layer = plan_one(context, "d")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(SourceError, match="'d/a' cannot be read: Too many open files"):
            read(layer)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- reading ahead


@pytest.fixture
def always_ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every disk counts as slow."""
    monkeypatch.setattr(readahead, "_SLOW_SECONDS", 0.0)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "kitops-readahead"]


@pytest.mark.usefixtures("always_ahead")
def test_reading_ahead_changes_no_byte(context: Path) -> None:
    write_files(
        context, {f"{number % 7}/{number:05}": bytes([number % 256]) * (number % 9000) for number in range(1500)}
    )
    layer = plan_one(context, ".")
    expected = b"".join((context / name).read_bytes() for name in names(layer) if (context / name).is_file())
    tar = read(layer)
    assert len(tar) == layer.size
    assert b"".join(tar[m.offset_data : m.offset_data + m.size] for m in members(tar) if m.isfile()) == expected


@pytest.mark.usefixtures("always_ahead")
def test_reading_ahead_ends_with_the_stream(context: Path) -> None:
    write_files(context, {f"{number:05}": b"x" * 4000 for number in range(1500)})
    layer = plan_one(context, ".")
    stream = source(layer).stream()
    next(stream)
    next(stream)
    assert [thread for thread in threading.enumerate() if thread.name == "kitops-readahead"]
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("always_ahead")
def test_reading_ahead_leaves_errors_to_the_reader(context: Path) -> None:
    write_files(context, {f"{number:05}": b"x" * 4000 for number in range(1500)})
    layer = plan_one(context, ".")
    (context / "00900").unlink()
    (context / "01000").unlink()
    os.mkfifo(context / "01000")
    with pytest.raises(SourceChangedError, match="'00900' was removed"):
        read(layer)

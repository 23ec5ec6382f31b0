"""What extracting a layer writes: the right files with the right modes, hashed and counted on the way."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import resource
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from golden_cases import layer_tar, load_cases
from layer_files import open_below
from tar_samples import END, Pieces, blob, entry, header, tar_of, tree

from kitops_core.errors import CancelledError, IntegrityError, StoreError, UnsafeLayerError
from kitops_core.events import Cancel, Control, Event
from kitops_core.layers.codecs import decompressed
from kitops_core.layers.extract import Extracted, Limits, extract_raw, extract_tar

ROOMY = Limits(1 << 30)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def extract(data: bytes, directory: Path, limits: Limits = ROOMY, **options: object) -> Extracted:
    control = options.pop("control", None) or Control()
    return extract_tar(Pieces(data), directory, control=control, limits=limits, name="data", **options)  # type: ignore[arg-type]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_a_golden_kit_unpacks_as_the_reference_cli_unpacks_it(case, tmp_path: Path) -> None:
    if "unpacked" not in case.expected:
        pytest.skip("the case does not say")
    for layer in case.layers:
        data = layer_tar(layer)
        result = extract_tar(Pieces(data), tmp_path, control=Control(), limits=Limits(len(data)), name="layer")
        assert result.diff_id == layer["diffId"]
    expected = {path: what for path, what in case.expected["unpacked"].items() if path not in ("Kitfile", "kitfile")}
    if case.first:  # its model is in another kit, which is not extracted here
        assert tree(tmp_path).items() <= expected.items()
    else:
        assert tree(tmp_path) == expected


def test_counts_what_it_writes(tmp_path: Path) -> None:
    data = tar_of({"d/": b"", "d/a": b"123", "d/b": b"", "c": b"4567"})
    assert extract(data, tmp_path) == Extracted(digest(data), 3, 7)


def test_the_diff_id_covers_what_follows_the_trailer(tmp_path: Path) -> None:
    data = tar_of({"a": b"1"}) + b"more" * 500
    assert extract(data, tmp_path).diff_id == digest(data)


def test_the_diff_id_is_not_computed_where_nobody_asks(tmp_path: Path) -> None:
    assert extract(tar_of({"a": b"1"}), tmp_path, hash_diff_id=False).diff_id == ""


def test_permission_bits_are_kept_less_the_umask_and_set_id_bits_never(tmp_path: Path) -> None:
    modes = {b"run": b"0000755\0", b"all": b"0000777\0", b"none": b"0000000\0", b"setuid": b"0006755\0"}
    extract(b"".join(entry(name, mode=mode) for name, mode in modes.items()) + END, tmp_path)
    found = {name.decode(): oct((tmp_path / name.decode()).stat().st_mode & 0o7777) for name in modes}
    assert found == {"run": "0o755", "all": "0o755", "none": "0o0", "setuid": "0o755"}


def test_a_directory_can_always_be_filled_and_removed_by_its_owner(tmp_path: Path) -> None:
    data = header(b"locked", kind=b"5", mode=b"0000000\0") + header(b"open", kind=b"5", mode=b"0007777\0")
    extract(data + entry(b"locked/a", b"1") + END, tmp_path)
    assert (tmp_path / "locked").stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / "open").stat().st_mode & 0o7777 == 0o755


def test_parents_without_headers_are_made(tmp_path: Path) -> None:
    extract(entry(b"a/b/c/file", b"1") + entry(b"a/x/file", b"2") + entry(b"a/b/file", b"3") + END, tmp_path)
    assert [path for path, what in tree(tmp_path).items() if what == "dir 0o755"] == ["a", "a/b", "a/b/c", "a/x"]
    assert (tmp_path / "a/b/file").read_bytes() == b"3"


def test_names_as_tar_writes_them_from_a_current_directory(tmp_path: Path) -> None:
    data = header(b"./", kind=b"5") + header(b"./d/", kind=b"5") + entry(b"./d/a", b"1") + header(b".", kind=b"5")
    extract(data + END, tmp_path)
    assert list(tree(tmp_path)) == ["d", "d/a"]


def test_odd_names_are_names(tmp_path: Path) -> None:
    odd = [b"back\\slash", b"C:\\x", b"...", b"..a", b" ", b"-rf", b"new\nline", b"~", b"$HOME", b"caf\xc3\xa9"]
    extract(b"".join(entry(name, name) for name in odd) + END, tmp_path)
    assert sorted(os.listdir(os.fsencode(tmp_path))) == sorted(odd)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes only names that are UTF-8")
def test_names_that_are_not_utf_8_are_kept(tmp_path: Path) -> None:
    extract(entry(b"\xff\xfe", b"1") + END, tmp_path)
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe"]


def test_a_directory_may_be_named_twice(tmp_path: Path) -> None:
    extract(header(b"d", kind=b"5") + entry(b"d/a") + header(b"d/", kind=b"5") + entry(b"d/b") + END, tmp_path)
    assert list(tree(tmp_path)) == ["d", "d/a", "d/b"]


def test_files_larger_than_the_buffer_are_whole(tmp_path: Path) -> None:
    large = os.urandom(3 * 1024 * 1024 + 7)
    extract(tar_of({"a": b"1", "large": large, "z": b"2"}), tmp_path)
    assert (tmp_path / "large").read_bytes() == large
    assert (tmp_path / "z").read_bytes() == b"2"


def test_a_descriptor_will_do_for_the_directory_and_stays_open(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        extract_tar(Pieces(tar_of({"d/a": b"1"})), fd, control=Control(), limits=ROOMY, name="data")
        assert os.listdir(fd) == ["d"]
    finally:
        os.close(fd)


def test_no_descriptor_is_left_open_on_success_or_error(tmp_path: Path) -> None:
    extract(tar_of({"d/e/a": b"1"}), tmp_path)
    for bad in (entry(b"d/e/a"), entry(b"x/y/z/../a"), entry(b"d/e/a/b"), header(b"new", 5)):
        with pytest.raises(IntegrityError):
            extract(bad, tmp_path)
    assert open_below(tmp_path) == []


def test_layers_are_extracted_side_by_side_into_shared_directories(tmp_path: Path) -> None:
    deep = "a/b/c/d"
    layers = [tar_of({f"{deep}/{layer}-{i}/f": b"x" for i in range(150)}) for layer in range(4)]
    errors: list[BaseException] = []

    def work(data: bytes) -> None:
        try:
            extract(data, tmp_path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(data,)) for data in layers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(list((tmp_path / deep).iterdir())) == 600


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_compressed_layer_is_read_verified_and_written_in_one_pass(compression: str, tmp_path: Path) -> None:
    data = tar_of({"d/": b"", "d/a": os.urandom(100_000), "d/b": b"text" * 50_000})
    encode = {"none": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[compression]
    stored = encode(data)
    limits = Limits.for_layer(len(stored), compression)  # type: ignore[arg-type]
    with blob(stored) as reader:
        stream = decompressed(reader, compression)  # type: ignore[arg-type]
        result = extract_tar(stream, tmp_path, control=Control(), limits=limits, name="data")
    assert result == Extracted(digest(data), 2, 300_000)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_an_altered_layer_is_an_error_even_if_its_tar_is_sound(compression: str, tmp_path: Path) -> None:
    encode = {"none": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[compression]
    with blob(encode(tar_of({"a": b"1"})), "sha256:" + "0" * 64) as reader:
        stream = decompressed(reader, compression)  # type: ignore[arg-type]
        with pytest.raises(IntegrityError, match="altered"):
            extract_tar(stream, tmp_path, control=Control(), limits=ROOMY, name="data")


def test_events_say_how_far_it_is(tmp_path: Path) -> None:
    events: list[Event] = []
    data = tar_of({"a": bytes(2_500_000)})
    extract(data, tmp_path, control=Control(events.append), total=len(data))
    assert {(event.phase, event.name, event.total) for event in events} == {("advance", "data", len(data))}
    assert [event.done for event in events] == sorted({event.done for event in events})
    assert events[-1].done == len(data)


def test_cancelling_stops_at_the_next_buffer(tmp_path: Path) -> None:
    cancel = Cancel()
    control = Control(lambda event: cancel.cancel(), cancel)
    with pytest.raises(CancelledError):
        extract(tar_of({"a": bytes(5_000_000)}), tmp_path, control=control)


class TestRaw:
    def raw(self, data: bytes, directory: Path, path: str, limits: Limits = ROOMY) -> Extracted:
        return extract_raw(Pieces(data), directory, path, control=Control(), limits=limits, name="model")

    def test_a_raw_layer_is_the_bytes_of_one_file(self, tmp_path: Path) -> None:
        data = os.urandom(2_000_000)
        assert self.raw(data, tmp_path, "models/m.bin") == Extracted(digest(data), 1, len(data))
        assert (tmp_path / "models/m.bin").read_bytes() == data
        assert (tmp_path / "models/m.bin").stat().st_mode & 0o777 == 0o644

    def test_an_empty_file_is_written(self, tmp_path: Path) -> None:
        assert self.raw(b"", tmp_path, "empty") == Extracted(digest(b""), 1, 0)
        assert (tmp_path / "empty").exists()

    @pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "..", "a//b", "a/./b", "a/", "x\0y"])
    def test_its_path_is_checked_as_names_in_a_tar_are(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(UnsafeLayerError, match="no safe name"):
            self.raw(b"x", tmp_path, path)

    def test_two_layers_cannot_write_one_file(self, tmp_path: Path) -> None:
        self.raw(b"one", tmp_path, "m.bin")
        with pytest.raises(UnsafeLayerError, match=r"layer 'model': entry 'm\.bin' is there twice"):
            self.raw(b"two", tmp_path, "m.bin")
        assert (tmp_path / "m.bin").read_bytes() == b"one"

    def test_it_has_a_limit(self, tmp_path: Path) -> None:
        with pytest.raises(UnsafeLayerError, match="more than 10 bytes"):
            self.raw(bytes(11), tmp_path, "m.bin", Limits(10))


class TestLimits:
    def test_an_uncompressed_layer_has_its_size_and_nothing_more(self) -> None:
        assert Limits.for_layer(5000, "none").max_bytes == 5000

    def test_no_sound_gzip_layer_is_refused(self, tmp_path: Path) -> None:
        data = tar_of({"zeros": bytes(20_000_000)})
        stored = gzip.compress(data, 9)
        with blob(stored) as reader:
            limits = Limits.for_layer(len(stored), "gzip")
            result = extract_tar(decompressed(reader, "gzip"), tmp_path, control=Control(), limits=limits, name="data")
        assert result.bytes == 20_000_000

    def test_an_empty_gzip_layer_is_within_its_limits(self) -> None:
        assert len(tar_of({})) <= Limits.for_layer(len(gzip.compress(tar_of({}))), "gzip").max_bytes

    def test_a_zstd_layer_is_capped_by_a_ratio_that_can_be_raised(self) -> None:
        assert Limits.for_layer(100, "zstd").max_bytes == 1024**3
        assert Limits.for_layer(10**9, "zstd").max_bytes == 1100 * 10**9
        assert Limits.for_layer(10**9, "zstd", max_ratio=5).max_bytes == 5 * 10**9


def test_a_full_disk_is_an_error_with_a_hint_and_no_traceback(tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    (tmp_path / "layer.tar").write_bytes(tar_of({"large": bytes(200_000)}))
    (tmp_path / "out").mkdir()
    script = """
import sys
from pathlib import Path
from kitops_core.errors import StoreError
from kitops_core.events import Control
from kitops_core.layers.extract import Limits, extract_tar
try:
    with open(sys.argv[1], "rb", buffering=0) as stream:
        extract_tar(stream, Path(sys.argv[2]), control=Control(), limits=Limits(10**9), name="data")
except StoreError as error:
    print(error.message, "|", error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "layer.tar"), str(tmp_path / "out")],
        preexec_fn=small_files_only,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("layer 'data': entry 'large' cannot be written: File too large | unpack to")
    assert done.stderr == ""


def test_a_directory_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot unpack to"):
        extract(tar_of({"a": b""}), tmp_path / "missing")


def test_what_gnu_tar_writes_is_read(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / ("long" * 40) / "deep").mkdir(parents=True)
    (source / ("long" * 40) / "deep" / "file").write_text("x")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    for format_ in ("gnu", "posix", "oldgnu"):
        done = subprocess.run(["tar", f"--format={format_}", "-C", source, "-cf", "-", "."], capture_output=True)
        if done.returncode:
            pytest.skip("no GNU tar here")
        (target / format_).mkdir(parents=True)
        extract(done.stdout, target / format_)
        assert tree(target / format_) == tree(source)


def test_a_tar_made_by_python_comes_out_the_same_whatever_its_format(tmp_path: Path) -> None:
    files = {"d/": b"", "d/" + "n" * 200: b"long", "d/ü": b"u", "e": b"e" * 70_000}
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = tmp_path / str(format_)
        out.mkdir()
        extract(tar_of(files, format_), out)
        with tarfile.open(fileobj=io.BytesIO(tar_of(files, format_))) as tar:
            assert {str(path.relative_to(out)) for path in out.rglob("*")} == set(tar.getnames())

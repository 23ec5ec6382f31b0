"""The tar reader: every dialect that kits are written in, and nothing but IntegrityError for all else."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile

import pytest
from golden_cases import layer_tar, load_cases
from hypothesis import given
from hypothesis import strategies as st
from tar_samples import END, Pieces, blob, entry, header, padded, pax, tar_of

from kitops_core.errors import IntegrityError, InvalidInputError, UnsafeLayerError
from kitops_core.layers.tar_reader import TarReader, read_tar_member


def read(data: bytes, *, step: int = 1 << 20, buffer_bytes: int = 4096) -> list[tuple[str, bytes | None, int]]:
    """Name, content (None for a directory) and mode of every entry."""
    found = []
    reader = TarReader(Pieces(data, step), "layer", buffer_bytes=buffer_bytes)
    for item in reader:
        content = b"".join(bytes(chunk) for chunk in iter(reader.chunk, b""))
        assert len(content) == item.size
        found.append((os.fsdecode(item.name), None if item.is_directory else content, item.mode))
    return found


def contents(data: bytes) -> dict[str, bytes | None]:
    return {name: content for name, content, _ in read(data)}


LONG = "/".join(["a-directory-with-a-long-name"] * 12) + "/file.bin"
SAMPLE = {
    "data/": b"",
    "data/empty": b"",
    "data/one": b"1",
    "data/block": b"b" * 512,
    "data/more": b"m" * 513,
    "data/large": bytes(range(256)) * 100,
    "last": b"the end",
}


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_the_three_formats_python_writes(format_: int) -> None:
    expected = {name: None if name.endswith("/") else data for name, data in SAMPLE.items()}
    assert contents(tar_of(SAMPLE, format_)) == expected


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_long_and_foreign_names(format_: int) -> None:
    files = {LONG: b"long", "Ünïcode/файл.txt": b"u", "n" * 101: b"n", "after": b"short again"}
    assert contents(tar_of(files, format_)) == files


def test_a_ustar_prefix_is_part_of_the_name() -> None:
    name = "p" * 90 + "/" + "n" * 60
    assert contents(tar_of({name: b"x"})) == {name: b"x"}


def test_the_prefix_field_of_gnu_and_v7_headers_is_not_a_prefix() -> None:
    gnu = entry(b"a", b"1", magic=b"ustar  \0", prefix=b"00000000000")
    v7 = entry(b"b", b"2", magic=bytes(8), prefix=b"junk", kind=b"\0")
    assert contents(gnu + v7 + END) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_reads_what_the_reference_cli_packed_as_tarfile_reads_it(case) -> None:
    for layer in case.layers:
        data = layer_tar(layer)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            expected = [
                (item.name, tar.extractfile(item).read() if item.isfile() else None, item.mode)  # type: ignore[union-attr]
                for item in tar
            ]
        assert read(data) == expected


names = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/"), min_size=1, max_size=120)


@given(
    files=st.dictionaries(names, st.binary(max_size=3000), max_size=6),
    format_=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    step=st.integers(1, 2000),
    blocks=st.integers(1, 5),
)
def test_reads_every_tar_however_it_arrives(files: dict[str, bytes], format_: int, step: int, blocks: int) -> None:
    found = read(tar_of(files, format_), step=step, buffer_bytes=512 * blocks)
    assert {name: content for name, content, _ in found} == files


def test_content_that_nobody_reads_is_skipped() -> None:
    names = [item.name for item in TarReader(Pieces(tar_of(SAMPLE), 100), "layer", buffer_bytes=512)]
    assert [name.decode() for name in names] == list(SAMPLE)


def test_base_256_sizes_are_read() -> None:
    size = b"\x80" + (3).to_bytes(11, "big")
    assert contents(header(b"a", size) + padded(b"abc") + END) == {"a": b"abc"}


def test_a_pax_size_replaces_the_headers() -> None:
    data = pax([(b"size", b"3"), (b"comment", b"any"), (b"mtime", b"1.5")]) + header(b"a", 0) + padded(b"abc") + END
    assert contents(data) == {"a": b"abc"}


def test_an_extended_header_is_for_one_entry_only() -> None:
    data = pax([(b"path", b"long")]) + entry(b"short", b"1") + entry(b"next", b"2") + END
    assert contents(data) == {"long": b"1", "next": b"2"}


def test_an_empty_pax_value_leaves_the_headers() -> None:
    assert contents(pax([(b"path", b""), (b"size", b"")]) + entry(b"a", b"1") + END) == {"a": b"1"}


def test_a_directory_has_no_content_whatever_its_size_says() -> None:
    assert contents(header(b"d", 4096, kind=b"5") + entry(b"a", b"1") + END) == {"d": None, "a": b"1"}


def test_before_posix_a_trailing_slash_made_a_directory() -> None:
    assert contents(header(b"d/", kind=b"\0", magic=bytes(8)) + END) == {"d/": None}


def test_a_global_comment_is_tolerated() -> None:
    assert contents(pax([(b"comment", b"0123abcd")], b"g") + entry(b"a", b"1") + END) == {"a": b"1"}


@pytest.mark.parametrize("record", [(b"path", b"b"), (b"size", b"9")])
def test_a_global_header_that_renames_or_resizes_all_entries_is_refused(record: tuple[bytes, bytes]) -> None:
    with pytest.raises(UnsafeLayerError, match=f"global PAX header sets {record[0].decode()}"):
        read(pax([record], b"g") + entry(b"a", b"1") + END)


def test_a_sparse_file_is_refused_since_its_content_is_not_what_it_seems() -> None:
    with pytest.raises(UnsafeLayerError, match="sparse file"):
        read(pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.name", b"a")]) + entry(b"a", b"1") + END)


def test_a_checksum_over_signed_bytes_is_accepted() -> None:
    right = header("é".encode())
    signed = sum(right) - sum(right[148:156]) + 8 * 32 - 256 * 2
    assert contents(header("é".encode(), checksum=b"%06o\0 " % signed) + END) == {"é": b""}


@pytest.mark.parametrize(
    "data", [b"", END, bytes(512), bytes(10240)], ids=["nothing", "trailer", "one block", "padded"]
)
def test_an_empty_archive_has_no_entries(data: bytes) -> None:
    assert read(data) == []


def test_a_missing_trailer_after_a_complete_entry_is_tolerated() -> None:
    assert contents(entry(b"a", b"1")) == {"a": b"1"}
    assert contents(entry(b"a", b"1") + bytes(512)) == {"a": b"1"}


@pytest.mark.parametrize("tail", [b"", bytes(9000), b"anything" * 1000])
def test_the_stream_is_read_to_its_end_whatever_follows_the_trailer(tail: bytes) -> None:
    stream = Pieces(tar_of({"a": b"1"}) + tail, 300)
    assert [item.name for item in TarReader(stream, "layer", buffer_bytes=512)] == [b"a"]
    assert stream.ended


@pytest.mark.parametrize("padding", [0, 10240])
def test_every_proper_prefix_is_an_error_or_yields_the_first_entries_whole(padding: int) -> None:
    data = (
        pax([(b"path", b"renamed")]) + entry(b"x", b"0" * 700) + tar_of({"d/": b"", "d/a": b"a" * 1000, LONG: b"z"}, 1)
    )
    whole = read(data)
    for length in range(0, len(data), 1 if padding == 0 else 97):
        found = []
        with contextlib.suppress(IntegrityError):
            reader = TarReader(Pieces(data[:length]), "layer", buffer_bytes=512)
            for item in reader:
                content = b"".join(bytes(chunk) for chunk in iter(reader.chunk, b""))
                found.append((item.name.decode(), None if item.is_directory else content, item.mode))
        assert found == whole[: len(found)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "middle of an entry"),
        (b"no tar at all, just some text. " * 100, "octal|checksum"),
        (entry(b"a", b"1")[:600], "middle of an entry"),
        (entry(b"a", b"1", checksum=b"000000\0 ") + END, "checksum is wrong"),
        (entry(b"a", b"1", checksum=b"zzzzzz\0 ") + END, "octal"),
        (header(b"a", b"-0000000001\0") + END, "octal"),
        (header(b"a", b"0o000000017\0") + END, "octal"),
        (header(b"a", b"0000000_010\0") + END, "octal"),
        (header(b"a", b"00000000009\0") + END, "octal"),
        (header(b"a", b"\xff" * 12) + END, "negative"),
        (header(b"a", b"\x80" + b"\x7f" * 11) + END, "impossibly large"),
        (pax([(b"size", b"-1")]) + entry(b"a") + END, "size"),
        (pax([(b"size", b"1e3")]) + entry(b"a") + END, "size"),
        (pax([(b"size", b"9" * 30)]) + entry(b"a") + END, "impossible"),
        (pax([(b"size", b"100000")]) + entry(b"a", b"1") + END, "middle of an entry"),
        (entry(b"x", b"99 path=a\n", kind=b"x") + entry(b"a") + END, "malformed"),
        (entry(b"x", b"0 path=a\n", kind=b"x") + entry(b"a") + END, "malformed"),
        (entry(b"x", b"path=a\n", kind=b"x") + entry(b"a") + END, "no length"),
        (entry(b"x", b"10 path=abX", kind=b"x") + entry(b"a") + END, "malformed"),
        (pax([(b"path", b"b")]) + pax([(b"path", b"c")]) + entry(b"a") + END, "two extended headers"),
        (pax([(b"path", b"b")]) + entry(b"L", b"c\0", kind=b"L") + entry(b"a") + END, "two extended headers"),
        (pax([(b"path", b"b")]) + END, "ends after an extended header"),
        (entry(b"a") + bytes(512) + entry(b"b") + END, "goes on after an empty block"),
        (header(b"x", 2**32, kind=b"x") + END, "extended header says"),
        (header(b"x", 2**32, kind=b"L") + END, "extended header says"),
    ],
)
def test_a_damaged_archive_says_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=message) as caught:
        read(data)
    assert caught.value.message.startswith("layer:")


def test_names_in_messages_cannot_control_a_terminal() -> None:
    with pytest.raises(UnsafeLayerError) as caught:
        read(header(b"\x1b[2Jevil\n", kind=b"2") + END)
    assert (
        caught.value.message == "layer: entry '\\x1b[2Jevil\\n' is a symbolic link; a kit holds files and directories"
    )


@given(st.binary(max_size=4000))
def test_random_bytes_are_an_integrity_error_or_nothing(data: bytes) -> None:
    with contextlib.suppress(IntegrityError):
        read(data)


@given(st.data())
def test_a_tar_with_changed_bytes_is_an_integrity_error_or_another_tar(data: st.DataObject) -> None:
    original = bytearray(
        pax([(b"path", b"p")]) + tar_of({"d/": b"", "d/a": b"a" * 600, LONG: b"z"}, tarfile.GNU_FORMAT)[:6000]
    )
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IntegrityError):
        read(bytes(original))


@given(field=st.binary(min_size=1, max_size=900), kind=st.sampled_from([b"x", b"g", b"L", b"K"]))
def test_random_extended_headers_are_an_integrity_error_or_read(field: bytes, kind: bytes) -> None:
    with contextlib.suppress(IntegrityError):
        read(entry(b"x", field, kind=kind) + entry(b"a", b"1") + END)


class TestReadTarMember:
    def test_gives_one_files_content(self) -> None:
        assert read_tar_member(Pieces(tar_of(SAMPLE)), "data/large") == SAMPLE["data/large"]
        assert read_tar_member(Pieces(tar_of({"./README.md": b"r"})), "README.md") == b"r"

    def test_gives_none_for_what_is_not_there_or_a_directory(self) -> None:
        assert read_tar_member(Pieces(tar_of(SAMPLE)), "data/other") is None
        assert read_tar_member(Pieces(tar_of(SAMPLE)), "data/") is None

    def test_reads_to_the_end_so_that_an_altered_layer_is_never_believed(self) -> None:
        data = tar_of(SAMPLE)
        assert read_tar_member(blob(data), "data/one") == b"1"
        with pytest.raises(IntegrityError, match="altered"):
            read_tar_member(blob(data, "sha256:" + "0" * 64), "data/one")

    def test_a_file_too_large_for_memory_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match="'data/large' has 25600 bytes; at most 1000"):
            read_tar_member(Pieces(tar_of(SAMPLE)), "data/large", limit=1000)

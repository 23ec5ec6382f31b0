"""Tar headers, held to what Python reads from them; the golden cases hold them to the reference byte by byte."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_files import members

from kitops_core.layers.tar_writer import TRAILER, header, header_size, padding

GIB = 1024**3
NAME = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=120)
PATHS = st.lists(NAME.filter(lambda name: name not in (".", "..")), min_size=1, max_size=5).map("/".join)


def the_member(block: bytes) -> tarfile.TarInfo:
    (member,) = members(block + TRAILER)
    return member


@given(PATHS, st.integers(0, 0o7777), st.booleans())
def test_every_name_and_mode_is_read_back(path: str, mode: int, directory: bool) -> None:
    block = header(path.encode(), mode, 0, directory=directory)
    member = the_member(block)
    assert (member.name, member.mode, member.isdir(), member.isfile()) == (path, mode, directory, not directory)
    assert (member.uid, member.gid, member.mtime, member.uname, member.gname) == (1000, 0, 0, "", "")
    assert len(block) % 512 == 0
    assert header_size(path.encode(), 0) == len(block)


@given(PATHS, st.integers(0, 2**63 - 1))
def test_every_size_is_read_back(path: str, size: int) -> None:
    block = header(path.encode(), 0o644, size)
    with tarfile.open(fileobj=_Endless(block)) as opened:
        member = opened.next()
    assert member is not None
    assert (member.name, member.size) == (path, size)
    assert header_size(path.encode(), size) == len(block)


class _Endless:
    """A tar whose content is wherever a reader seeks to."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def seek(self, at: int) -> None:
        self._at = at

    def tell(self) -> int:
        return self._at


@given(st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and name.strip(b"/") == name))
def test_names_of_any_bytes_have_a_header(name: bytes) -> None:
    block = header(name, 0o644, 1)
    assert len(block) == header_size(name, 1)
    assert all(sum(at[:148]) + sum(at[156:]) + 256 == int(at[148:154], 8) for at in (block[:512], block[-512:]))


def test_a_plain_header_is_one_block_of_ustar() -> None:
    block = header(b"model.bin", 0o100644, 5000)
    assert len(block) == 512
    assert block[:10] == b"model.bin\0"
    assert block[100:156] == b"0000644\x000001750\x000000000\x0000000011610\x0000000000000\x00" + block[148:156]
    assert block[154:157] == b"\0 0"
    assert block[257:265] == b"ustar\x0000"
    assert block[329:345] == b"0000000\x000000000\x00"
    assert not any(block[345:])


def test_a_directory_has_no_trailing_slash() -> None:
    block = header(b"data", 0o40755, 0, directory=True)
    assert block[:5] == b"data\0"
    assert block[156:157] == b"5"


@pytest.mark.parametrize(("first", "last"), [(1, 99), (54, 100), (155, 100), (100, 1), (155, 1)])
def test_a_long_name_is_split_at_a_slash_where_it_can_be(first: int, last: int) -> None:
    name = b"d" * first + b"/" + b"f" * last
    block = header(name, 0o644, 0)
    assert len(block) == 512
    if len(name) > 100:
        assert block[345 : 345 + first] == b"d" * first
        assert block[:last] == b"f" * last


@pytest.mark.parametrize(
    "name", [b"n" * 101, b"d" * 156 + b"/f", b"d/" + b"f" * 101, "ü".encode(), b"/".join([b"x" * 90] * 3)]
)
def test_a_name_that_cannot_be_split_gets_a_pax_header(name: bytes) -> None:
    block = header(name, 0o644, 0)
    assert block[156:157] == b"x"
    assert block[329:345] == bytes(16)
    assert b"path=" + name + b"\n" in block[512:]
    assert the_member(block).pax_headers == {"path": name.decode()}


def test_a_pax_header_is_named_after_its_file_without_what_is_not_ascii() -> None:
    block = header("data/Ünï/файл.txt".encode(), 0o600, 3)
    assert block[:30].rstrip(b"\0") == b"data/n/PaxHeaders.0/.txt"
    assert block[100:136] == b"0000000\x000000000\x000000000\x0000000000040\x00"
    assert block[1024:1040].rstrip(b"\0") == b"data/n/.txt"


@pytest.mark.parametrize("size", [8 * GIB, 9 * GIB, 64 * GIB, 2**63 - 1])
def test_a_size_from_8_gib_on_is_in_a_pax_header(size: int) -> None:
    block = header(b"big.bin", 0o644, size)
    assert b" size=%d\n" % size in block[512:1024]
    assert b"path=" not in block
    assert block[1024 + 124 : 1024 + 136] == b"00000000000\0"


def test_just_below_8_gib_no_pax_header_is_needed() -> None:
    assert len(header(b"big.bin", 0o644, 8 * GIB - 1)) == 512


def test_a_pax_record_counts_its_own_digits() -> None:
    for length in (87, 88, 89, 90, 91, 92, 988, 989, 990, 991):
        name = "é" + "n" * length
        assert the_member(header(name.encode(), 0o644, 0)).name == name


def test_padding_fills_blocks() -> None:
    assert [padding(size) for size in (0, 1, 511, 512, 513)] == [0, 511, 1, 0, 511]

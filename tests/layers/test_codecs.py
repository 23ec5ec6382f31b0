"""Compressed layers: the same bytes out, whatever goes in and however it arrives; nothing unsound is read."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kitops_core.errors import IntegrityError
from kitops_core.layers.codecs import compressed, decompressed
from kitops_core.oci.blob import BlobReader
from kitops_core.oci.manifest import Descriptor, sha256_digest
from kitops_core.oci.media_types import Compression

MIB = 1024 * 1024
CODECS: list[Compression] = ["gzip", "zstd"]


def pieces(data: bytes, *sizes: int) -> Iterator[memoryview]:
    """``data`` in one reused buffer, in pieces of these sizes over and over."""
    buffer = memoryview(bytearray(max(sizes)))
    stream = io.BytesIO(data)
    turn = 0
    while count := stream.readinto(buffer[: sizes[turn % len(sizes)]]):
        yield buffer[:count]
        turn += 1


def pack(data: bytes, codec: Compression, *sizes: int, fastest: bool = False) -> bytes:
    return b"".join(bytes(view) for view in compressed(pieces(data, *sizes or (MIB,)), codec, fastest=fastest))


class Raw(io.BytesIO):
    """Hands out at most ``step`` bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return super().readinto(memoryview(buffer)[: self._step])


def open_blob(data: bytes, *, digest: str = "", step: int = MIB) -> BlobReader:
    return BlobReader(Raw(data, step), Descriptor("a/b", digest or sha256_digest(data), len(data)), "the store")


def unpack(reader: BlobReader, codec: Compression, size: int = 100_000) -> bytes:
    stream = decompressed(reader, codec)
    buffer = memoryview(bytearray(size))
    out = bytearray()
    while count := stream.readinto(buffer):
        out += buffer[:count]
    assert stream.readinto(buffer) == 0
    return bytes(out)


def lines(size: int) -> bytes:
    """JSON lines that compress as text does."""
    source = random.Random(7)
    words = ["".join(source.choices("etaoinshrdlu", k=source.randint(2, 9))) for _ in range(3000)]
    out = bytearray()
    while len(out) < size:
        text = " ".join(source.choices(words, k=12))
        out += b'{"id": %d, "score": %.6f, "text": "%b"}\n' % (len(out), source.random(), text.encode())
    return bytes(out[:size])


@pytest.fixture(scope="module")
def text() -> bytes:
    return lines(5 * MIB + 12345)


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_compressed_is_read_back(codec: Compression, text: bytes) -> None:
    packed = pack(text, codec)
    assert len(packed) < len(text) * 0.6
    assert unpack(open_blob(packed), codec) == text


@pytest.mark.parametrize("fastest", [False, True])
def test_other_tools_read_our_gzip(fastest: bool, text: bytes) -> None:
    packed = pack(text, "gzip", fastest=fastest)
    assert gzip.decompress(packed) == text
    assert packed[4:8] == bytes(4)  # no time
    reader = zlib.decompressobj(31)
    reader.decompress(packed)
    assert reader.eof
    assert not reader.unused_data  # one member


def test_other_tools_read_our_zstd(text: bytes) -> None:
    packed = pack(text, "zstd")
    reader = zstandard.ZstdDecompressor().decompressobj()
    assert reader.decompress(packed) == text
    assert not reader.unused_data  # one frame
    assert zstandard.get_frame_parameters(packed).has_checksum


@pytest.mark.parametrize("codec", CODECS)
def test_output_does_not_depend_on_how_bytes_arrive(codec: Compression, text: bytes) -> None:
    expected = pack(text, codec)
    for sizes in [(MIB,), (1000,), (MIB - 1, 3), (7, 70_000, 512)]:
        assert pack(text, codec, *sizes) == expected


@pytest.mark.parametrize("codec", CODECS)
def test_output_does_not_depend_on_timing(codec: Compression, text: bytes) -> None:
    def slowly() -> Iterator[memoryview]:
        for number, view in enumerate(pieces(text, 300_000)):
            time.sleep(0.003 * (number % 3))
            yield view

    expected = pack(text, codec)
    assert b"".join(bytes(view) for view in compressed(slowly(), codec)) == expected
    for _ in range(3):
        assert pack(text, codec) == expected


def test_the_fastest_gzip_is_another_one(text: bytes) -> None:
    assert len(pack(text, "gzip")) < len(pack(text, "gzip", fastest=True))


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=25)
@given(data=st.binary(max_size=3000), factor=st.sampled_from([0, 1, 400, 1500]), size=st.sampled_from([1, 4096, MIB]))
def test_any_bytes_survive(codec: Compression, data: bytes, factor: int, size: int) -> None:
    data = data * factor
    assert unpack(open_blob(pack(data, codec), step=5000), codec, max(size, len(data) // 50)) == data


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB])
def test_block_boundaries_are_nothing_special(codec: Compression, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert unpack(open_blob(pack(data, codec)), codec) == data


@pytest.mark.parametrize("codec", CODECS)
def test_the_uncompressed_bytes_are_told_in_order(codec: Compression, text: bytes) -> None:
    digest = hashlib.sha256()
    for _ in compressed(pieces(text, 70_001), codec, on_plain=digest.update):
        pass
    assert digest.digest() == hashlib.sha256(text).digest()


@pytest.mark.parametrize("codec", CODECS)
def test_a_source_that_fails_fails_the_stream(codec: Compression, text: bytes) -> None:
    def failing() -> Iterator[memoryview]:
        yield memoryview(text)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        for _ in compressed(failing(), codec):
            pass


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_may_be_left_early(codec: Compression, text: bytes) -> None:
    stream = compressed(pieces(text, MIB), codec)
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_without_compression_bytes_pass_as_they_are() -> None:
    assert pack(b"plain", "none") == b"plain"
    assert unpack(open_blob(b"plain"), "none") == b"plain"


# --- reading what others wrote


@pytest.mark.parametrize("step", [1, 17, MIB])
def test_gzip_of_several_members_is_one_stream(step: int) -> None:
    data = gzip.compress(b"one", 9) + gzip.compress(b"") + gzip.compress(b"two" * 1000)
    assert unpack(open_blob(data, step=step), "gzip") == b"one" + b"two" * 1000


def test_gzip_with_a_name_and_a_time_is_read() -> None:
    out = io.BytesIO()
    with gzip.GzipFile("a name", "wb", 9, out, mtime=5) as stream:
        stream.write(b"text")
    assert unpack(open_blob(out.getvalue(), step=3), "gzip") == b"text"


@pytest.mark.parametrize("step", [1, 17, MIB])
def test_zstd_of_several_frames_is_one_stream(step: int) -> None:
    sized = zstandard.ZstdCompressor().compress(b"one" * 50)
    empty = zstandard.ZstdCompressor().compress(b"")
    streamed = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    unsized = streamed.compress(b"two") + streamed.flush()
    skippable = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00.....\x50\x2a\x4d\x18\x00\x00\x00\x00"
    data = skippable + sized + skippable + empty + unsized + skippable
    assert unpack(open_blob(data, step=step), "zstd") == b"one" * 50 + b"two"


@pytest.mark.parametrize("size", [10, 300, 70_000, 400_000])
@pytest.mark.parametrize("level", [1, 19])
def test_zstd_frames_of_all_shapes_are_followed(size: int, level: int) -> None:
    data = random.Random(size).randbytes(size // 2) + b"r" * (size // 2)
    for checksum in (False, True):
        for known in (False, True):
            codec = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=known)
            assert unpack(open_blob(codec.compress(data), step=999), "zstd") == data


def test_a_small_buffer_is_filled_over_and_over() -> None:
    for codec in CODECS:
        assert unpack(open_blob(pack(b"x" * 10_000, codec)), codec, 7) == b"x" * 10_000


# --- what is refused

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "cut in the data": lambda data: data[: len(data) // 2],
    "cut in the trailer": lambda data: data[:-2],
    "cut in the header": lambda data: data[:3],
    "empty": lambda data: b"",
    "another checksum": lambda data: data[:-8] + bytes(byte ^ 1 for byte in data[-8:]),
    "garbage behind it": lambda data: data + b"garbage",
    "zeros behind it": lambda data: data + bytes(512),
    "one byte behind it": lambda data: data + b"\0",
    "half a member behind it": lambda data: data + data[: len(data) // 2],
    "something else altogether": lambda data: b"not compressed at all, just text" * 100,
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("step", [1000, MIB])
def test_an_unsound_stream_is_an_error(codec: Compression, damage: Damage, step: int, text: bytes) -> None:
    data = damage(pack(text[:200_000], codec))
    with pytest.raises(IntegrityError, match=f"is not a sound {codec} stream"):
        unpack(open_blob(data, step=step), codec)


@pytest.mark.parametrize("codec", CODECS)
def test_an_altered_blob_is_said_to_be_altered(codec: Compression, text: bytes) -> None:
    packed = pack(text, codec)
    altered = packed[:50_000] + bytes(100) + packed[50_100:]
    with pytest.raises(IntegrityError, match="was altered"):
        unpack(open_blob(altered, digest=sha256_digest(packed)), codec)


@pytest.mark.parametrize("codec", CODECS)
def test_the_digest_is_checked_before_the_end_is_told(codec: Compression) -> None:
    packed = pack(b"text", codec)
    with pytest.raises(IntegrityError, match="was altered"):
        unpack(open_blob(packed, digest=sha256_digest(b"other")), codec)


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_is_handed_out_a_buffer_at_a_time(codec: Compression) -> None:
    size = 64 * MIB
    packed = pack_zeros(size, codec)
    assert len(packed) < size / 200
    stream = decompressed(open_blob(packed), codec)
    buffer = memoryview(bytearray(MIB))
    total = 0
    while count := stream.readinto(buffer):
        assert count <= MIB
        total += count
    assert total == size


def pack_zeros(size: int, codec: Compression) -> bytes:
    zeros = memoryview(bytes(MIB))
    return b"".join(bytes(view) for view in compressed((zeros for _ in range(size // MIB)), codec))

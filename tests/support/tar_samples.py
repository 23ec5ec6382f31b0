"""Tars made by hand, streams that read in small pieces, and a look at what was written: shared by the layer tests."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from kitops_core.oci.blob import BlobReader
from kitops_core.oci.manifest import Descriptor

END = bytes(1024)


class Pieces:
    """Bytes that come at most ``step`` at a time, as from a network, and a count of how far they were read."""

    def __init__(self, data: bytes, step: int = 1 << 20) -> None:
        self.rest = memoryview(data)
        self.step = step
        self.ended = False

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), self.step, len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        self.ended = count == 0
        return count


def blob(data: bytes, digest: str = "") -> BlobReader:
    """A blob's reader, which checks ``data`` against its own digest or the one given."""
    descriptor = Descriptor("application/x", digest or f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    return BlobReader(io.BytesIO(data), descriptor, "test")


def header(
    name: bytes,
    size: int | bytes = 0,
    *,
    kind: bytes = b"0",
    mode: bytes = b"0000644\0",
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: bytes | None = None,
) -> bytes:
    """One header block, every field as given, with the right checksum unless another is wanted."""
    size_field = b"%011o\0" % size if isinstance(size, int) else size
    fields = [name.ljust(100, b"\0"), mode, b"0001750\0", b"0000000\0", size_field, b"00000000000\0", b" " * 8, kind]
    fields += [link.ljust(100, b"\0"), magic, bytes(64), b"0000000\0" * 2, prefix.ljust(155, b"\0"), bytes(12)]
    block = b"".join(fields)
    assert len(block) == 512
    return block[:148] + (b"%06o\0 " % sum(block) if checksum is None else checksum) + block[156:]


def padded(data: bytes) -> bytes:
    """Content as it lies in a tar."""
    return data + bytes(-len(data) % 512)


def entry(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A header and its content."""
    return header(name, len(data), **fields) + padded(data)  # type: ignore[arg-type]


def pax(records: Iterable[tuple[bytes, bytes]], kind: bytes = b"x") -> bytes:
    """A PAX header with these records."""
    data = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while length != len(line := b"%d %s=%s\n" % (length, key, value)):
            length = len(line)
        data += line
    return entry(b"PaxHeaders.0/x", data, kind=kind)


def tar_of(files: dict[str, bytes], format_: int = tarfile.USTAR_FORMAT) -> bytes:
    """What :mod:`tarfile` makes of files (and of directories: names that end with a slash)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.size = len(data)
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tree(directory: Path) -> dict[str, str]:
    """Every path below a directory with its content's digest and its mode, as the golden cases write them."""
    found = {}
    for path in sorted(directory.rglob("*")):
        mode = oct(path.lstat().st_mode & 0o7777)
        kind = "link" if path.is_symlink() else "dir" if path.is_dir() else _digest(path)
        found[str(path.relative_to(directory))] = f"{kind} {mode}"
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

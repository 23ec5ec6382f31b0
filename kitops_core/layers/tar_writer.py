"""Tar headers, byte for byte as the reference CLI writes them (Go's ``archive/tar``), so that digests agree.

USTAR (POSIX.1-1988) with uid 1000, gid 0, time 0 and no names of owners; where a path or a size does not fit, a PAX
header (POSIX.1-2001) goes first. An archive ends with :data:`TRAILER` and is padded no further.
"""

from __future__ import annotations

from zlib import adler32

BLOCK_BYTES = 512
TRAILER = bytes(2 * BLOCK_BYTES)
"""Two blocks of zeros: the end of an archive."""

_NAME_BYTES = 100
_PREFIX_BYTES = 155
_MAX_USTAR_SIZE = 8**11  # eleven octal digits and a NUL: 8 GiB do not fit any more

# A header block is a front (name, mode, owner, size, time), the checksum, and a back (type, link, magic, names of
# owners, devices, prefix). Only the front differs from file to file: this is the hottest code of a pack.
_FRONT = b"%b%07o\x000001750\x000000000\x00%011o\x0000000000000\x00"  # uid 1000, gid 0, time 0
_BACK = b"%b" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00%b"
_FILE = _BACK % (b"0", bytes(_PREFIX_BYTES + 12))
_DIRECTORY = _BACK % (b"5", bytes(_PREFIX_BYTES + 12))
_KNOWN_SUMS = {back: sum(back) for back in (_FILE, _DIRECTORY)}
_PAX_FRONT = b"%b0000000\x000000000\x000000000\x00%011o\x0000000000000\x00"
_PAX = b"x" + bytes(100) + b"ustar\x0000" + bytes(64 + 16 + _PREFIX_BYTES + 12)


def header(name: bytes, mode: int, size: int, *, directory: bool = False) -> bytes:
    """The header of a file or directory, with a PAX header before it where one is needed.

    Args:
        name: Its path in the kit, ``/``-separated, without a leading or trailing slash. Any bytes but NUL.
        mode: Its mode; of that, the permission, set-id and sticky bits are written.
        size: Bytes of content; 0 for a directory.
        directory: Whether it is a directory.

    Returns:
        One block of 512 bytes; three or more where a PAX header is needed.
    """
    back = _DIRECTORY if directory else _FILE
    mode &= 0o7777
    if size < _MAX_USTAR_SIZE and name.isascii():
        if len(name) <= _NAME_BYTES:
            return _block(_FRONT % (name.ljust(_NAME_BYTES, b"\0"), mode, size), back)
        split = _split(name)
        if split is not None:
            prefix, name = split
            back = _BACK % (back[:1], prefix.ljust(_PREFIX_BYTES + 12, b"\0"))
            return _block(_FRONT % (name.ljust(_NAME_BYTES, b"\0"), mode, size), back)
    own_size = size if size < _MAX_USTAR_SIZE else 0
    return _pax(name, size) + _block(_FRONT % (_short(name).ljust(_NAME_BYTES, b"\0"), mode, own_size), back)


def header_size(name: bytes, size: int) -> int:
    """How long :func:`header` is for this path and size, without making it."""
    if len(name) <= _NAME_BYTES and name.isascii() and size < _MAX_USTAR_SIZE:
        return BLOCK_BYTES
    return len(header(name, 0, size))


def padding(size: int) -> int:
    """How many zeros follow ``size`` bytes of content, to fill its last block."""
    return -size % BLOCK_BYTES


def _block(front: bytes, back: bytes) -> bytes:
    """One header block, its checksum in between."""
    # The low half of Adler-32 is one more than the sum of the bytes, and far faster to get than sum(); a header's sum
    # stays below its modulus of 65521. The checksum's own eight bytes count as spaces.
    total = (adler32(front) & 0xFFFF) - 1 + (_KNOWN_SUMS.get(back) or sum(back)) + 8 * 0x20
    return front + b"%06o\x00 " % total + back


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A long name as USTAR's prefix and name, cut at the last slash that leaves a prefix of at most 155 bytes."""
    cut = name.rfind(b"/", 0, _PREFIX_BYTES + 1)
    if cut <= 0 or len(name) - cut - 1 > _NAME_BYTES:
        return None
    return name[:cut], name[cut + 1 :]


def _pax(name: bytes, size: int) -> bytes:
    """The PAX header that carries what a USTAR header cannot: its own block, then its records."""
    records = b""
    if len(name) > _NAME_BYTES or not name.isascii():
        records += _record(b"path", name)
    if size >= _MAX_USTAR_SIZE:
        records += _record(b"size", b"%d" % size)
    directory, slash, base = name.rpartition(b"/")
    own_name = _ascii(directory + slash + b"PaxHeaders.0/" + base)[:_NAME_BYTES].rstrip(b"/")
    block = _block(_PAX_FRONT % (own_name.ljust(_NAME_BYTES, b"\0"), len(records)), _PAX)
    return block + records + bytes(padding(len(records)))


def _record(key: bytes, value: bytes) -> bytes:
    """A PAX record; its length counts the digits that say it."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)


def _ascii(name: bytes) -> bytes:
    """``name`` without its non-ASCII characters."""
    return bytes(byte for byte in name if byte < 0x80)


def _short(name: bytes) -> bytes:
    """The name field beside a PAX header: ASCII, cut to 100 bytes, where a cut leaves no slash at the end."""
    ascii_name = _ascii(name)
    short = ascii_name[:_NAME_BYTES]
    if len(ascii_name) > _NAME_BYTES and short.endswith(b"/"):
        end = len(short[:-1].rstrip(b"/"))
        short = short[:end] + b"\0" + short[end + 1 :]
    return short

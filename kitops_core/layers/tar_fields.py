"""The fields of tar headers: numbers, checksums and PAX records, parsed without trusting any."""

from __future__ import annotations

import zlib
from functools import lru_cache

MAX_SIZE = 2**63 - 1
"""The largest size any file system or other tool could mean."""

_ADLER_MODULUS = 65521


@lru_cache(maxsize=4096)  # the files of a kit have few modes, and often few sizes
def parse_number(field: bytes) -> int:
    """A numeric header field: octal digits, or GNU's base-256 where a file is larger than those can say.

    Raises:
        ValueError: It is neither, negative, or more than ``MAX_SIZE``.
    """
    if field[0] < 0x80:
        return _octal(field)
    value = int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
    if field[0] & 0x40 or value > MAX_SIZE:
        raise ValueError("a number in a header is negative or impossibly large")
    return value


def verify_checksum(block: memoryview, field: bytes) -> None:
    """Check a header block against the checksum field in it: the sum of its bytes, that field counted as spaces.

    Raises:
        ValueError: It is wrong, also when summed over signed bytes as some old archivers did.
    """
    stored = _octal(field)
    # Adler-32's low half is one more than the sum of all bytes, modulo a prime, and far faster than sum().
    if (stored + sum(field) - 255) % _ADLER_MODULUS == zlib.adler32(block) & 0xFFFF:
        return
    if stored != sum(block) - sum(field) + 256 - 256 * sum(byte >= 0x80 for byte in block):
        raise ValueError("a header's checksum is wrong")


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    r"""The records of a PAX header (``<length> <key>=<value>\n`` each); a later one of the same key wins.

    Raises:
        ValueError: It is malformed.
    """
    records = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit():
            raise ValueError("a record has no length")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or data[end - 1] != 0x0A or not key or not equals:
            raise ValueError("a record is malformed")
        records[key] = value
        at = end
    return records


def show_name(name: bytes) -> str:
    """A name from an archive, quoted for a message: control characters escaped, and cut where it is very long."""
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 300 else f"{text[:297]}...'"


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits:
        return 0
    try:
        if digits.isdigit():  # int() alone would take signs, underscores and 0o
            return int(digits, 8)
    except ValueError:
        pass
    raise ValueError(f"{field!r} in a header is no octal number")

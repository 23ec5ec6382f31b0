"""Durations, sizes and times as people and files write them, and text that is safe to show."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from kitops_core.errors import InvalidInputError

DURATION_PATTERN = r"(\d+(?:\.\d+)?)([smhdw]?)"
SIZE_PATTERN = r"(\d+(?:\.\d+)?) ?((?:[kKMGTP]i?)?B|)"

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PREFIXES = "KMGTP"
_MAX_DIGITS = 30
_TIME = r"(?a)(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)"


def count_text(count: int, noun: str) -> str:
    """A count for people: ``1 layer``, ``5 layers``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def plain_value(value: Any) -> str:
    """A Kitfile's value on one line: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def printable(text: object) -> str:
    """One line of text in which what a kit's author wrote cannot steer the terminal."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in line
    )


def parse_duration(text: str) -> float:
    """Read a number of seconds, minutes, hours, days or weeks: ``90``, ``30m``, ``24h``, ``7d``, ``2w``.

    Returns:
        Seconds.

    Raises:
        InvalidInputError: It is none, or longer than a clock can tell.
    """
    match = re.fullmatch(DURATION_PATTERN, text, re.ASCII)
    if match is None:
        raise InvalidInputError(f"'{text}' is not a duration", hint="write 90s, 30m, 24h or 7d")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > timedelta.max.total_seconds() / 2:
        raise InvalidInputError(f"'{text}' is longer than any clock runs", hint="write 90s, 30m, 24h or 7d")
    return seconds


def duration_text(duration: timedelta) -> str:
    """A duration for people, its two largest units, rounded down: ``3h 12m``, ``2d 1h``, ``24h``, ``45s``.

    Up to two days it is told in hours, as a soak time is written.
    """
    left = int(abs(duration.total_seconds()))
    sizes = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)]
    if left <= 2 * 86400:
        del sizes[0]
    parts = []
    for unit, seconds in sizes:
        count, left = divmod(left, seconds)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count)
    return ("-" if duration < timedelta(0) else "") + (shown or "0s")


def parse_size(text: str) -> int:
    """Read a number of bytes: ``1048576``, ``500MB`` (powers of 1000), ``10GiB`` (powers of 1024).

    Raises:
        InvalidInputError: It is none.
    """
    match = re.fullmatch(SIZE_PATTERN, text, re.ASCII)
    if match is None or len(match[1]) > _MAX_DIGITS:
        raise InvalidInputError(f"'{text}' is not a size", hint="write 500MB, 10GiB or a number of bytes")
    unit = match[2].removesuffix("B")
    base = 1024 if unit.endswith("i") else 1000
    power = _PREFIXES.index(unit[0].upper()) + 1 if unit else 0
    whole, _, fraction = match[1].partition(".")
    return int(int(whole + fraction) * pow(base, power) // pow(10, len(fraction)))


def size_text(size: int) -> str:
    """A size for people: ``0 B``, ``1.2 GiB``, ``310 MiB``."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for prefix in _PREFIXES:
        value /= 1024
        if value < 999.5 or prefix == _PREFIXES[-1]:
            break
    return f"{value:.1f} {prefix}iB" if value < 99.95 else f"{value:.0f} {prefix}iB"


def parse_timestamp(text: object) -> datetime | None:
    """A time of RFC 3339 with its offset, in UTC; ``None`` for anything else, for it comes from foreign statements."""
    match = re.fullmatch(_TIME, text) if isinstance(text, str) else None
    if match is None:
        return None
    date, clock, fraction, offset = match.groups()
    offset = "+00:00" if offset in "Zz" else offset
    try:
        time = datetime.fromisoformat(f"{date}T{clock}.{(fraction or '')[:6]:0<6}{offset}")
        return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def timestamp_text(time: datetime) -> str:
    """A time in RFC 3339, UTC, whole microseconds where it has any: ``2026-01-31T12:00:00Z``."""
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")

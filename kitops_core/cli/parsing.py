"""What options of several commands mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError, InvalidReferenceError
from kitops_core.reference import DEFAULT_TAG, check_tag, parse_reference

if TYPE_CHECKING:
    from kitops_core.layers.publish import Existing


def parse_names(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Read ``repository:tag1,tag2``, given once or several times for the same repository.

    Returns:
        The first reference, and the further tags.

    Raises:
        InvalidReferenceError: A name does not follow the grammar, or is of another repository.
    """
    first = ""
    tags: list[str] = []
    for name in names:
        path, slash, last = name.rpartition("/")
        last, *more = last.split(",")
        reference = parse_reference(path + slash + last)
        if reference.digest:
            raise InvalidReferenceError(
                f"'{name}' names a digest", hint="name a tag: what is packed decides the digest"
            )
        if not first:
            first = str(reference)
        elif reference.name != parse_reference(first).name:
            raise InvalidReferenceError(
                f"'{name}' and '{first}' are in different repositories",
                hint="pack to one of them, then use `kitops tag` or `kitops push` for the other",
            )
        else:
            tags.append(reference.tag or DEFAULT_TAG)
        tags += [check_tag(tag) for tag in more]
    return first, tuple(tags)


def parse_time(text: str) -> datetime:
    """Read a time: RFC 3339, in UTC where no offset is said, or ``now``.

    Raises:
        InvalidInputError: It is neither.
    """
    if text == "now":
        return datetime.now(timezone.utc)
    try:
        time = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError:
        raise InvalidInputError(f"'{text}' is not a time", hint="write 2026-01-31T12:00:00Z, or now") from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def existing_files(overwrite: bool, ignore: bool) -> Existing:
    """What ``--overwrite`` and ``--ignore-existing`` say of files that are in the way.

    Raises:
        InvalidInputError: Both are given.
    """
    if overwrite and ignore:
        raise InvalidInputError("--overwrite and --ignore-existing exclude each other", hint="give one of them")
    return "overwrite" if overwrite else "ignore" if ignore else "refuse"

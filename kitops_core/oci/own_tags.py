"""Tags of our own that are no versions: names for every kit that was handed out, and for every move of a channel.

Registries drop what has no tag: some at once (zot, when a manifest's last tag moves), others when a clean-up runs (the
retention of Harbor, ECR, ACR, GAR, GitLab, Artifactory; the garbage collection of distribution). So what was handed out
keeps a tag. It says the digest by its name, is written once and never moves, so that immutable tags bear it, and begins
with ``kitops-``, so that one pattern in a registry's rules covers all of them. Version tags cannot serve for that:
kits need not have a version, and two kits may have the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from kitops_core.oci.referrers_tag import is_referrers_tag

_PREFIX = "kitops-"
_KEPT = f"{_PREFIX}kept-"
_OF_A_MOVE = _PREFIX + r"(?P<kind>log|claim)-(?P<tag>.+)-(?P<number>[1-9][0-9]{0,17})-(?P<short>[0-9a-f]{12})"
_LONGEST_HEX = 100
_LONGEST_TAG = 80


class Logged(NamedTuple):
    """What a log tag or a claim says by its name.

    Attributes:
        tag: The log tag, or the claim.
        number: Which move it was.
        short: The first digits of the record's digest.
    """

    tag: str
    number: int
    short: str


def kept_tag(digest: str) -> str:
    """The tag that keeps a manifest."""
    return _KEPT + digest.partition(":")[2][:_LONGEST_HEX]


def kept_digest(tag: str) -> str:
    """The digest that a tag keeps, or an empty string where it is another tag, or too short for the digest it keeps."""
    text = tag.removeprefix(_KEPT)
    return f"sha256:{text}" if text != tag and re.fullmatch("[0-9a-f]{64}", text) else ""


def log_tag(tag: str, number: int, record: str) -> str:
    """The tag of the record of a move that was made.

    Args:
        tag: The tag that was moved.
        number: Which move of that tag it was; there may be several with one number.
        record: The record's digest.
    """
    return f"{_PREFIX}log-{cut(tag)}-{number}-{short(record)}"


def claim_tag(tag: str, number: int, record: str) -> str:
    """The tag of the record of a move that is about to be made; see :func:`log_tag`."""
    return f"{_PREFIX}claim-{cut(tag)}-{number}-{short(record)}"


def logged(own_tag: str, tag: str) -> Logged | None:
    """What a log tag says, or ``None`` where it is another tag, or that of a move of another tag than ``tag``."""
    return _of_a_move("log", own_tag, tag)


def claimed(own_tag: str, tag: str) -> Logged | None:
    """What a claim says; see :func:`logged`."""
    return _of_a_move("claim", own_tag, tag)


def logs_of(own_tags: Iterable[str]) -> dict[str, list[Logged]]:
    """What all log tags say, by the tag that was moved, as far as a log tag has it; see :func:`cut`."""
    logs: dict[str, list[Logged]] = {}
    for own in own_tags:
        kind, moved, said = _read(own)
        if said is not None and kind == "log":
            logs.setdefault(moved, []).append(said)
    return logs


def cut(tag: str) -> str:
    """As much of a moved tag as its log tags have."""
    return tag[:_LONGEST_TAG]


def short(record: str) -> str:
    """As much of a record's digest as its log tag has."""
    return record.partition(":")[2][:12]


def is_own_tag(tag: str) -> bool:
    """Whether a tag is one of ours."""
    return tag.startswith(_KEPT) or re.fullmatch(_OF_A_MOVE, tag) is not None


def is_listed(tag: str) -> bool:
    """Whether lists show a tag: not those of our own, and not those that only hold what is attached to something."""
    return not is_own_tag(tag) and not is_referrers_tag(tag)


def _of_a_move(kind: str, own_tag: str, tag: str) -> Logged | None:
    *what, said = _read(own_tag)
    return said if what == [kind, cut(tag)] else None


def _read(own_tag: str) -> tuple[str, str, Logged | None]:
    """The kind of a tag of a move, what it has of the moved tag, and what it says; empty where it is another tag."""
    found = re.fullmatch(_OF_A_MOVE, own_tag)
    if found is None:
        return "", "", None
    return found["kind"], found["tag"], Logged(own_tag, int(found["number"]), found["short"])

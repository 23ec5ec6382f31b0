"""Read ``WWW-Authenticate`` headers (RFC 9110, section 11) into challenges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word, not a secret
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|\s*,|\s*$)")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Challenge:
    """One way a server says it wants to be shown who we are.

    Attributes:
        scheme: In lower case: ``bearer``, ``basic``.
        parameters: ``realm``, ``service``, ``scope`` ..., names in lower case.
    """

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge in the given header lines, in order. What cannot be read ends a line, never the program."""
    challenges = []
    for header in headers:
        position = 0
        while match := _SCHEME.match(header, position):
            challenge = Challenge(match[1].lower())
            challenges.append(challenge)
            position = match.end()
            while parameter := _PARAMETER.match(header, position):
                quoted, bare = parameter[2], parameter[3]
                value = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
                challenge.parameters.setdefault(parameter[1].lower(), value)
                position = parameter.end()
    return challenges

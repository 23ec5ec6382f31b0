r"""``.kitignore``: Docker's ignore rules, as the reference CLI applies them (moby's ``patternmatcher``).

A pattern is anchored at the context's root. ``*`` and ``?`` stop at a slash, ``**`` crosses any number of them,
``[a-z]`` and ``[^a-z]`` are character classes and ``\`` takes the next character as it is. A pattern that matches a
directory matches all below it; one that starts with ``!`` takes back what earlier ones left out; the last one that
says anything about a path decides. Lines that start with ``#`` are comments.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kitops_core.errors import SourceError
from kitops_core.kitfile.data import KITFILE_NAMES

IGNORE_FILE = ".kitignore"

_SPECIAL = re.compile(r"[*?\[\]\\]")


class _Rule(NamedTuple):
    bit: int
    negated: bool
    matches: Callable[[str], object]


class IgnoreRules:
    """The rules of one context: those of its ``.kitignore``, then the Kitfile and the ``.kitignore`` themselves.

    Whether a rule matches a path's parents decides as much as whether it matches the path. So whoever walks a tree
    keeps what :meth:`enter` answered for each directory (one bit a rule) and hands it back for what lies in it.

    Attributes:
        has_negations: Whether some rule starts with ``!``: then what lies in a left-out directory may still be taken.
        only_root: Whether the rules can only match names at the root and below them: nothing was configured.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        """Compile ``patterns``.

        Raises:
            SourceError: One of them is malformed; all that are, are named.
        """
        self.only_root = not patterns
        self.has_negations = False
        self._rules: list[_Rule] = []
        problems = []
        for pattern in patterns:
            negated = pattern.startswith("!")
            try:
                matcher = _compile(pattern[negated:])
            except ValueError as error:
                problems.append(f"'{pattern}': {error}")
                continue
            self.has_negations |= negated
            self._rules.append(_Rule(1 << len(self._rules), negated, matcher))
        if problems:
            raise SourceError(
                f"{IGNORE_FILE} has malformed patterns: " + "; ".join(problems),
                hint="put a backslash before a character that is meant as it is",
            )
        own = frozenset((*KITFILE_NAMES, IGNORE_FILE))
        self._rules.append(_Rule(1 << len(self._rules), False, own.__contains__))

    @staticmethod
    def parse(data: bytes) -> IgnoreRules:
        """The rules of a ``.kitignore`` with this content.

        Raises:
            SourceError: A pattern is malformed.
        """
        return IgnoreRules(_read_patterns(data))

    def enter(self, path: str, parent: int) -> tuple[bool, int]:
        """Whether the directory ``path`` is left out, and what to pass as ``parent`` for what lies in it.

        Args:
            path: Its path in the context, ``/``-separated.
            parent: What this method answered for its parent directory; 0 at the root.
        """
        state = parent
        ignored = False
        for bit, negated, matches in self._rules:
            if parent & bit or matches(path):
                state |= bit
                ignored = not negated
        return ignored, state

    def ignores(self, path: str, parent: int) -> bool:
        """Whether the file ``path`` is left out; ``parent`` as for :meth:`enter`."""
        ignored = False
        for bit, negated, matches in self._rules:
            if negated == ignored and (parent & bit or matches(path)):
                ignored = not negated
        return ignored

    def takes_back(self, path: str, parent: int) -> bool:
        """Whether a rule that starts with ``!`` speaks of the path, or of a directory that it is in."""
        return any(negated and (parent & bit or matches(path)) for bit, negated, matches in self._rules)


def _read_patterns(data: bytes) -> list[str]:
    """The patterns of an ignore file, each shortened to a clean path without a leading slash, ``!`` kept in front."""
    patterns = []
    # Undecodable bytes survive as they do in names that come from os.fsdecode().
    for line in data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n"):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        negated = pattern.startswith("!")
        pattern = pattern[negated:].strip()
        if pattern:
            cleaned = posixpath.normpath(re.sub("^/+", "/", pattern))
            pattern = cleaned.removeprefix("/") or cleaned
        patterns.append("!" + pattern if negated else pattern)
    return patterns


def _compile(pattern: str) -> Callable[[str], object]:
    """A function that says whether a path as a whole matches ``pattern``.

    Raises:
        ValueError: The pattern is malformed; the message says how.
    """
    if not pattern:
        raise ValueError("'!' takes back nothing")
    if not _SPECIAL.search(pattern):
        return pattern.__eq__
    if pattern.startswith("**") and not _SPECIAL.search(pattern, 2):
        # In front of nothing else special, '**' stands for part of a name too: '**.pyc' is any 'a.pyc' anywhere.
        ending = pattern[2:]
        bare = ending.removeprefix("/") if ending.startswith("/") else None
        return lambda path: path.endswith(ending) or path == bare
    expression = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "[":
            text, at = _character_class(pattern, at)
            expression.append(text)
        elif character == "\\":
            if at == len(pattern):
                raise ValueError("a backslash at the end takes nothing as it is")
            expression.append(re.escape(pattern[at]))
            at += 1
        elif pattern.startswith("**", at - 1):
            at += 2 if pattern.startswith("/", at + 1) else 1
            expression.append(".*" if at == len(pattern) else "(?:.*/)?")
        else:
            expression.append({"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character))
    return re.compile("".join(expression), re.DOTALL).fullmatch


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    """The class that starts behind the ``[`` before ``at``, as a regular expression, and where the pattern goes on."""
    negated = pattern.startswith("^", at)
    at += negated
    members: list[str] = []
    while not (members and pattern.startswith("]", at)):
        low, at = _class_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_character(pattern, at + 1)
        if high < low:
            raise ValueError(f"the range '{low}-{high}' is backwards")
        members.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(members)}]", at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    """One character of a class, perhaps behind a backslash, and where the class goes on."""
    escaped = pattern.startswith("\\", at)
    at += escaped
    if at >= len(pattern):
        raise ValueError("a '[' is never closed")
    if not escaped and pattern[at] in "-]":
        raise ValueError(f"'{pattern[at]}' in a '[...]' needs a backslash")
    return pattern[at], at + 1

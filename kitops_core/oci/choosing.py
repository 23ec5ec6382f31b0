"""Choosing one variant of an index by its labels.

A rule is ``key=value`` (equal, as the reference CLI compares), ``key<=value`` (at most), ``key>=value`` (at least) or
``key in (a,b)``. Sizes compare as sizes (``vram<=24GB``), numbers as numbers. All rules must hold. Where several
variants are left and a rule gave room (anything but ``=``), the largest that fits is taken: by the labels that the
rules bound, then by the size of the kit. ``auto`` stands for what the machine has; see :mod:`kitops_core.machine`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.oci.kit_index import IndexEntry, KitIndex, label_text
from kitops_core.wording import count_text, parse_size

AUTO = "auto"
"""The rule that stands for what this machine has."""

_SET = re.compile(r"\s*([^=<>()\s]+)\s+in\s*\((.*)\)\s*", re.DOTALL)
_COMPARED = re.compile(r"([^=<>()\s]+)\s*(<=|>=|=)(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_HINT = "write quantization=q4_0, vram<=24GB, params>=7000000000 or 'gpu in (a100,h100)'"


@dataclass(frozen=True)
class Rule:
    """One condition on a label.

    Attributes:
        key: The label.
        operator: ``=``, ``<=``, ``>=`` or ``in``.
        wanted: The values; one, but for ``in``.
        optional: Whether a variant without the label passes, as with what ``auto`` stands for.
    """

    key: str
    operator: Literal["=", "<=", ">=", "in"]
    wanted: tuple[str, ...]
    optional: bool = False

    def __str__(self) -> str:
        if self.operator == "in":
            return f"{self.key} in ({','.join(self.wanted)})"
        return f"{self.key}{self.operator}{self.wanted[0]}"

    def takes(self, entry: IndexEntry) -> bool:
        """Whether a variant meets it."""
        if self.key not in entry.labels:
            return self.optional
        texts = _texts(entry.labels[self.key])
        if self.operator in ("=", "in"):
            return any(text in self.wanted for text in texts)
        bound, value = amount(self.wanted[0]), amount(label_text(entry.labels[self.key]))
        if bound is None or value is None:
            return False
        return value <= bound if self.operator == "<=" else value >= bound


def parse_rules(texts: Sequence[str]) -> list[Rule]:
    """Read rules.

    Raises:
        InvalidInputError: One is none, or a bound is neither a number nor a size, or two are equal on one label.
    """
    rules = [_parse(text) for text in texts if text != AUTO]
    equal: dict[str, Rule] = {}
    for rule in rules:
        if rule.operator == "=" and equal.setdefault(rule.key, rule) is not rule:
            raise InvalidInputError(
                f"the label {rule.key} is asked for twice: {equal[rule.key]} and {rule}",
                hint=f"a variant has one value of it; write '{rule.key} in (...)' where either will do",
            )
    return rules


def _parse(text: str) -> Rule:
    if match := _SET.fullmatch(text):
        wanted = tuple(part.strip() for part in match[2].split(","))
        if all(wanted):
            return Rule(match[1], "in", wanted)
    elif match := _COMPARED.fullmatch(text):
        key, operator, value = match.groups()
        if operator == "=":
            return Rule(key, "=", (value,))
        if amount(value.strip()) is not None:
            return Rule(key, "<=" if operator == "<=" else ">=", (value.strip(),))
    raise InvalidInputError(f"'{text}' does not say which variant", hint=_HINT)


def amount(text: str) -> float | None:
    """A number, or the bytes of a size such as ``24GB``; ``None`` for other text."""
    if _NUMBER.fullmatch(text) and len(text) < 60:
        return float(text)
    try:
        return float(parse_size(text))
    except InvalidInputError:
        return None


def choose(index: KitIndex, texts: Sequence[str], where: str, of_machine: Callable[[], Sequence[Rule]]) -> IndexEntry:
    """The one variant that rules name.

    Args:
        index: The index.
        texts: The rules.
        where: The index, for messages.
        of_machine: What ``auto`` stands for; asked only where it is given.

    Raises:
        InvalidInputError: There is no rule, or several variants are left; the message lists what there is.
        NotFoundError: No variant is left; the message lists what there is.
        IntegrityError: The index has an index within it.
    """
    index.check_no_index_within(where)
    if not index.entries:
        raise NotFoundError(f"{where} is an index without any kit", hint="add kits with `kitops index add`")
    if not texts:
        raise InvalidInputError(
            f"{where} is an index of {count_text(len(index.entries), 'kit')}:\n{_listed(index.entries, where)}",
            hint="say which with --label (-l): " + _example(index.entries),
        )
    rules = [*parse_rules(texts), *(of_machine() if AUTO in texts else ())]
    left = [entry for entry in index.entries if all(rule.takes(entry) for rule in rules)]
    said = ", ".join(str(rule) for rule in rules) or AUTO
    if not left:
        raise NotFoundError(f"no kit in {where} has {said}. There are:\n{_listed(index.entries, where)}")
    if len(left) > 1 and (AUTO in texts or any(rule.operator != "=" for rule in rules)):
        left = _largest(left, rules)
    if len(left) > 1:
        raise InvalidInputError(
            f"{count_text(len(left), 'kit')} in {where} have {said}:\n{_listed(left, where)}",
            hint=_told_apart(left),
        )
    return left[0]


def _largest(entries: Sequence[IndexEntry], rules: Sequence[Rule]) -> list[IndexEntry]:
    keys = [rule.key for rule in rules if rule.operator in ("<=", ">=")]

    def rank(entry: IndexEntry) -> tuple[float, ...]:
        bounded = [amount(label_text(entry.labels[key])) if key in entry.labels else None for key in keys]
        return (*(float("-inf") if value is None else value for value in bounded), float(entry.size or 0))

    best = max(map(rank, entries))
    return [entry for entry in entries if rank(entry) == best]


def _texts(text: str) -> list[str]:
    """A label for comparing: itself, and of a list each of its values too."""
    value = json.loads(text)
    of_list = [one if isinstance(one, str) else json.dumps(one) for one in value] if isinstance(value, list) else []
    return [label_text(text), *of_list]


def _told_apart(entries: Sequence[IndexEntry]) -> str:
    if all(entry.labels == entries[0].labels for entry in entries):
        return "they have the same labels: name one by its digest, or give it another with `kitops index add`"
    return "add labels until one is left"


def _listed(entries: Sequence[IndexEntry], where: str) -> str:
    name = where.partition("@")[0].partition("?")[0]
    head, colon, tag = name.rpartition(":")
    repository = head if colon and "/" not in tag else name
    named = [entry.describe(repository) for entry in entries]
    again = {text for text in named if named.count(text) > 1}
    return "\n".join(
        f"  {text}{f'  {entry.digest}' if text in again else ''}" for text, entry in zip(named, entries, strict=True)
    )


def _example(entries: Sequence[IndexEntry]) -> str:
    for entry in entries:
        for key, text in sorted(entry.labels.items(), key=lambda label: (not label[1].startswith('"'), label[0])):
            return f"-l {key}={label_text(text)}"
    return "its kits have no labels, so name one by its digest"

"""What a person reads before approving a promotion, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitops_core.promotion.result import Promotion
    from kitops_core.verbs.diff import KitDiff

MAX_LINES = 20


def review_text(promotion: Promotion) -> str:
    """The channel's present kit and the candidate, every gate with what it found, and what differs."""
    name = " ".join(str(promotion.kit.kit.get(key, "")) for key in ("name", "version")).strip()
    lines = [
        f"**{promotion.channel}** of `{promotion.reference.partition('@')[0]}`" + (f": {name}" if name else ""),
        "",
        "| | |",
        "|---|---|",
        f"| now | `{promotion.previous_digest or 'nothing'}` |",
        f"| candidate | `{promotion.digest}` |",
        "",
    ]
    for gate in promotion.gates:
        detail = f": {gate.detail}" if gate.detail else ""
        lines.append(f"- {'✓' if gate.passed else '✗'} {_plain(gate.name + detail)}")
    if promotion.diff is not None:
        lines += ["", *_difference(promotion.diff)]
    return "\n".join(lines)


def _difference(diff: KitDiff) -> list[str]:
    if diff.same:
        return ["It is the very kit that is there."]
    lines = [
        f"- {change.change} {change.section} `{change.path}`, {change.before} → {change.after} bytes"
        for change in diff.layers
    ]
    lines += [
        f"- `{change.field}`: {_plain(str(change.before))} → {_plain(str(change.after))}" for change in diff.fields
    ]
    more = len(lines) - MAX_LINES
    return lines[:MAX_LINES] + ([f"- and {more} more"] if more > 0 else [])


def _plain(text: str) -> str:
    """Text of others, kept from being taken for markup."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in text)

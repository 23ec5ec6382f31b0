"""A kit's card: what it is, what is in it, what changed and what is attached to it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_core.text import size_text

if TYPE_CHECKING:
    from kitops_core.promotion.gates.result import GateResult
    from kitops_core.record import ModelKitRecord
    from kitops_core.verbs.diff import KitDiff
    from prefect_kitops.attached import Attached

MAX_ROWS = 50
"""How many rows a table has: an artifact is for reading."""


def kit_card(
    record: ModelKitRecord,
    kitfile: str,
    *,
    difference: KitDiff | None = None,
    attached: Attached | None = None,
    url: str = "",
) -> str:
    """The card.

    Args:
        record: The kit's record.
        kitfile: Its Kitfile as YAML.
        difference: What changed since the kit that the tag named before.
        attached: What is attached to it.
        url: The repository's page.
    """
    facts = {**record.kit, "size": size_text(record.size), "tags": ", ".join(record.tags)}
    place = f"[{record.registry}/{record.repository}]({url})" if url else f"{record.registry}/{record.repository}"
    lines = [f"{name}: {_text(value)}" for name, value in facts.items() if value and name != "name"]
    rows = [
        (layer.section, f"`{layer.path}`", size_text(layer.size), f"`{layer.digest[:19]}`") for layer in record.layers
    ]
    return "\n".join(
        [
            f"# {_text(record.kit.get('name') or record.repository)}",
            "",
            f"{place}  ",
            f"`{record.digest}`",
            "",
            *(f"- {line}" for line in lines),
            "",
            "## Layers",
            "",
            *table(("section", "path", "size", "digest"), rows),
            *changes(difference),
            *metrics(attached.metrics if attached else {}),
            *_evidence(attached.rows if attached else ()),
            "## Kitfile",
            "",
            *fenced(kitfile),
        ]
    )


def changes(difference: KitDiff | None) -> list[str]:
    """What changed between two kits, as lines of Markdown; none where there is nothing to compare."""
    if difference is None:
        return []
    heading = ["## What changed", "", f"since `{difference.before.rpartition('@')[2]}`", ""]
    if difference.same:
        return [*heading, "Nothing.", ""]
    layers = [
        (change.change, f"{change.section} `{change.path}`", size_text(change.before), size_text(change.after))
        for change in difference.layers
    ]
    fields = [
        ("field", f"`{change.field}`", _value(change.before), _value(change.after)) for change in difference.fields
    ]
    return [*heading, *table(("", "what", "before", "after"), [*layers, *fields])]


def gates(results: Iterable[GateResult]) -> list[str]:
    """What every gate said, as lines of Markdown."""
    rows = [("✓" if gate.passed else "✗", _text(gate.name), _text(gate.detail)) for gate in results]
    return ["## Gates", "", *table(("", "gate", "found"), rows)] if rows else []


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line; rows beyond what one reads are counted only."""
    if not rows:
        return []
    shown = [header, ["---"] * len(header), *rows[:MAX_ROWS]]
    lines = ["| " + " | ".join(row) + " |" for row in shown]
    more = [f"and {len(rows) - MAX_ROWS} more"] if len(rows) > MAX_ROWS else []
    return [*lines, "", *more]


def fenced(text: str) -> list[str]:
    """A block of YAML that nothing in it can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}yaml", text.rstrip("\n"), fence, ""]


def metrics(figures: Mapping[str, float]) -> list[str]:
    """Figures of test results, as lines of Markdown."""
    rows = [(_text(name), f"{value:g}") for name, value in sorted(figures.items())]
    return ["## Metrics", "", *table(("metric", "value"), rows)] if rows else []


def _evidence(evidence: Sequence[tuple[str, str, str]]) -> list[str]:
    rows = [(_text(kind), f"`{digest[:19]}`", signed) for kind, digest, signed in evidence]
    return ["## Attached", "", *table(("what", "digest", ""), rows)] if rows else []


def _value(value: Any) -> str:
    return "" if value is None else f"`{_text(value)}`"


def _text(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")

"""A kit's card: what it is, what is in it, what changed and what is attached to it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from kitops_core.wording import size_text
from prefect_kitops.markdown import block, code, plain, table

if TYPE_CHECKING:
    from kitops_core.kits.diff import KitDiff
    from kitops_core.promotion.gate_result import GateResult
    from kitops_core.record import ModelKitRecord
    from prefect_kitops.attached import Attached


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
    facts = {**record.kit, "size": size_text(record.size), "tags": record.tags}
    name = plain(f"{record.registry}/{record.repository}")
    lines = [f"{plain(fact)}: {plain(value)}" for fact, value in facts.items() if value and fact != "name"]
    rows = [
        (plain(layer.section), code(layer.path), size_text(layer.size), code(layer.digest[:19]))
        for layer in record.layers
    ]
    return "\n".join(
        [
            f"# {plain(record.kit.get('name') or record.repository)}",
            "",
            f"[{name}](<{url}>)  " if url else f"{name}  ",
            code(record.digest),
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
            *block(kitfile, "yaml"),
        ]
    )


def changes(difference: KitDiff | None) -> list[str]:
    """What changed between two kits, as lines of Markdown; none where there is nothing to compare."""
    if difference is None:
        return []
    heading = ["## What changed", "", f"since {code(difference.before.rpartition('@')[2])}", ""]
    if difference.same:
        return [*heading, "Nothing.", ""]
    layers = [
        (
            change.change,
            f"{plain(change.section)} {code(change.path)}",
            size_text(change.before),
            size_text(change.after),
        )
        for change in difference.layers
    ]
    fields = [
        (
            "field",
            code(change.field),
            "" if change.before is None else code(change.before),
            "" if change.after is None else code(change.after),
        )
        for change in difference.fields
    ]
    return [*heading, *table(("", "what", "before", "after"), [*layers, *fields])]


def gates(results: Iterable[GateResult]) -> list[str]:
    """What every gate said, as lines of Markdown."""
    rows = [("✓" if gate.passed else "✗", plain(gate.name), plain(gate.detail)) for gate in results]
    return ["## Gates", "", *table(("", "gate", "found"), rows)] if rows else []


def metrics(figures: Mapping[str, float], there: Mapping[str, float] | None = None) -> list[str]:
    """Figures of test results, as lines of Markdown.

    Args:
        figures: Those of the kit.
        there: Those of the kit that it is going to replace, to compare them with.
    """
    rows = [
        (plain(name), f"{value:g}", *([_figure(there.get(name))] if there else []))
        for name, value in sorted(figures.items())
    ]
    header = ("metric", "value", *(["now there"] if there else []))
    return ["## Metrics", "", *table(header, rows)] if rows else []


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _evidence(evidence: Sequence[tuple[str, str, str]]) -> list[str]:
    rows = [(plain(kind), code(digest[:19]), signed) for kind, digest, signed in evidence]
    return ["## Attached", "", *table(("what", "digest", ""), rows)] if rows else []

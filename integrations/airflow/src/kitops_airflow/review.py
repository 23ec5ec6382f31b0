"""What a person reads before approving a promotion, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kitops_core.kits.diff import KitDiff
    from kitops_core.promotion.result import Promotion
    from kitops_core.reference import Reference
    from kitops_core.signing.keys import PublicKey
    from kitops_core.storage.registry import RegistryOptions

MAX_LINES = 20

Metrics = tuple["Mapping[str, float]", "Mapping[str, float]"]
"""What was measured of the channel's present kit, and of the candidate."""


def review_text(promotion: Promotion, metrics: Metrics = ({}, {})) -> str:
    """The channel's present kit and the candidate, every gate with what it found, the metrics, and what differs."""
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
    if promotion.gates:
        lines += ["**Gates**", ""]
    for gate in promotion.gates:
        detail = f": {gate.detail}" if gate.detail else ""
        lines.append(f"- {'✓' if gate.passed else '✗'} {_plain(gate.name + detail)}")
    lines += _figures(*metrics)
    if promotion.diff is not None:
        lines += ["", "**What differs**", "", *_difference(promotion.diff)]
    return "\n".join(lines)


def measured(kit: Reference, keys: Sequence[PublicKey], registry: RegistryOptions) -> dict[str, float]:
    """What was measured of a kit: of each metric its newest figure.

    Args:
        kit: The kit, pinned to its digest.
        keys: Whose test results count; everyone's where it is empty.
        registry: How to talk to its registry.

    Raises:
        KitOpsError: What is attached to the kit cannot be read.
    """
    from kitops_core.evidence.counted import counted
    from kitops_core.evidence.metrics import read_metrics
    from kitops_core.evidence.predicate_types import TEST_RESULT
    from kitops_core.evidence.statements import read_evidence
    from kitops_core.kits.find import open_storage

    storage = open_storage(kit, remote=True, registry=registry)
    try:
        evidence = read_evidence(storage, kit.digest, predicate_type=TEST_RESULT)
    finally:
        storage.close()
    results = [item.statement.predicate for item in counted(evidence, kit.digest, TEST_RESULT, keys) if item.statement]
    metrics: dict[str, float] = {}
    for predicate in sorted(results, key=lambda predicate: str(predicate.get("time"))):
        metrics |= read_metrics(predicate)
    return metrics


def _figures(now: Mapping[str, float], candidate: Mapping[str, float]) -> list[str]:
    names = sorted({*now, *candidate})
    if not names:
        return []
    rows = [f"| {_plain(name)} | {_figure(now.get(name))} | {_figure(candidate.get(name))} |" for name in names]
    more = [f"| and {len(rows) - MAX_LINES} more | | |"] if len(rows) > MAX_LINES else []
    return ["", "**Metrics**", "", "| | now | candidate |", "|---|---|---|", *rows[:MAX_LINES], *more]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.12g}"


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

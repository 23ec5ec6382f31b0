"""What people read about kits and promotions, in Markdown: gates, differences, figures, plans, a kit's card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from kitops_core.errors import NotFoundError
from kitops_core.orchestrate.markdown import block, code, plain, table
from kitops_core.wording import size_text

if TYPE_CHECKING:
    from kitops_core.evidence.referrers import Referrer
    from kitops_core.kits.diff import KitDiff
    from kitops_core.promotion.gate_result import GateResult
    from kitops_core.promotion.policy import PromotionPolicy
    from kitops_core.promotion.result import Promotion
    from kitops_core.record import ModelKitRecord


def plan_text(
    promotion: Promotion, candidate: Mapping[str, float] | None = None, present: Mapping[str, float] | None = None
) -> str:
    """What a person reads before approving a promotion: both kits, every gate with what it found, what differs.

    Args:
        promotion: The plan, as a dry run gives it.
        candidate: Figures of the kit, as :meth:`~kitops_core.Client.metrics` reads them by the keys that gates count.
        present: Figures of the kit that the channel has.
    """
    name = " ".join(str(promotion.kit.kit.get(key, "")) for key in ("name", "version")).strip()
    rows = [("now", code(promotion.previous_digest) or "nothing"), ("candidate", code(promotion.digest))]
    return "\n".join(
        [
            f"**{plain(promotion.channel)}** of {code(promotion.reference.partition('@')[0])}"
            + (f": {plain(name)}" if name else ""),
            "",
            *table(("", ""), rows),
            *gates_section(promotion.gates),
            *metrics_section(candidate or {}, present or {}),
            *changes_section(promotion.diff),
        ]
    ).rstrip()


def gate_figures(
    metrics: Callable[..., dict[str, float]], reference: str, promotion: Promotion, policy: PromotionPolicy
) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of a kit and of what its channel has, by the keys that the channel's gates count.

    Of a metric whose gate has keys of its own the figure that they signed is shown, of others what the policy trusts.

    Args:
        metrics: Reads the figures of a kit: :meth:`~kitops_core.Client.metrics` of a client.
        reference: The kit.
        promotion: The plan of its promotion.
        policy: The promotion policy.

    Raises:
        KitOpsError: A key cannot be read, or a registry refused or failed.
    """
    gates = [gate.metric for gate in policy.channel(promotion.channel).gates if gate.metric]

    def figures(kit: str) -> dict[str, float]:
        found = metrics(kit, trusted=policy.trusted)
        for gate in gates:
            if gate.key_names:
                own = metrics(kit, trusted=policy.keys(gate.key_names))
                found.pop(gate.name, None)
                found |= {gate.name: own[gate.name]} if gate.name in own else {}
        return found

    present: dict[str, float] = {}
    if promotion.previous_digest:
        with suppress(NotFoundError):  # it is gone from its registry
            present = figures(f"{promotion.reference.partition('@')[0]}@{promotion.previous_digest}")
    return figures(reference), present


def kit_card(
    record: ModelKitRecord,
    kitfile: str,
    *,
    difference: KitDiff | None = None,
    figures: Mapping[str, float] | None = None,
    attached: Iterable[Referrer] = (),
    url: str = "",
) -> str:
    """A kit's card: what it is, what is in it, what changed, what is attached to it.

    Args:
        record: The kit's record.
        kitfile: Its Kitfile as YAML.
        difference: What changed since another kit.
        figures: Its metrics.
        attached: What is attached to it.
        url: The repository's page.
    """
    facts = {**record.kit, "size": size_text(record.size), "tags": record.tags}
    name = plain(f"{record.registry}/{record.repository}")
    lines = [f"- {plain(fact)}: {plain(value)}" for fact, value in facts.items() if value and fact != "name"]
    layers = [
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
            *lines,
            "",
            "## Layers",
            "",
            *table(("section", "path", "size", "digest"), layers),
            *changes_section(difference),
            *metrics_section(figures or {}),
            *attached_section(attached),
            "## Kitfile",
            "",
            *block(kitfile, "yaml"),
        ]
    )


def gates_section(results: Iterable[GateResult]) -> list[str]:
    """What every gate said, as lines of Markdown; none where there are no gates."""
    rows = [("✓" if gate.passed else "✗", plain(gate.name), plain(gate.detail)) for gate in results]
    return ["## Gates", "", *table(("", "gate", "found"), rows)] if rows else []


def changes_section(difference: KitDiff | None) -> list[str]:
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


def metrics_section(figures: Mapping[str, float], present: Mapping[str, float] | None = None) -> list[str]:
    """A kit's figures, as lines of Markdown; none where there are none.

    Args:
        figures: Those of the kit.
        present: Those of the kit that it is going to replace, to compare them with.
    """
    rows = [
        (plain(name), _figure(figures.get(name)), *([_figure(present.get(name))] if present else []))
        for name in sorted({*figures, *(present or ())})
    ]
    header = ("metric", "value", *(["now there"] if present else []))
    return ["## Metrics", "", *table(header, rows)] if rows else []


def attached_section(attached: Iterable[Referrer]) -> list[str]:
    """What is attached to a kit, as lines of Markdown; nothing of it is verified by being shown."""
    from kitops_core.evidence.predicate_types import predicate_name

    rows = [
        (
            plain(predicate_name(item.predicate_type) if item.predicate_type else item.artifact_type),
            code(item.digest[:19]),
            "signed" if item.signed_by else "",
        )
        for item in attached
    ]
    return ["## Attached", "", *table(("what", "digest", ""), rows)] if rows else []


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"

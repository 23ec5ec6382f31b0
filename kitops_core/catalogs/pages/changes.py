"""What differs between two versions."""

from __future__ import annotations

from typing import Any

from kitops_core.kits.diff import KitDiff
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.sections import table
from kitops_core.wording import plain_value, size_text

_LONGEST = 400
_MOST = 200


def changes(diff: KitDiff) -> Markup:
    """Layers and fields, or variants, that differ, as tables."""
    parts: list[Child] = []
    layers: list[list[Child]] = [
        [
            layer.change,
            layer.section,
            element("code", layer.path),
            element("span", _sizes(layer.before, layer.after), class_="number"),
        ]
        for layer in diff.layers[:_MOST]
    ]
    if layers:
        parts.append(table(("Change", "Section", "Path", "Size"), layers))
    fields: list[list[Child]] = [
        [element("code", field.field), _value(field.before), _value(field.after)] for field in diff.fields[:_MOST]
    ]
    if fields:
        parts.append(table(("Field", "Before", "After"), fields))
    variants: list[list[Child]] = [[one.change, element("code", one.variant)] for one in diff.variants[:_MOST]]
    if variants:
        parts.append(table(("Change", "Variant"), variants))
    left = sum(max(0, len(found) - _MOST) for found in (diff.layers, diff.fields, diff.variants))
    if left:
        parts.append(element("p", f"… and {left} more", class_="quiet"))
    return join(*parts) if parts else element("p", "Nothing differs but the digest.", class_="quiet")


def _sizes(before: int, after: int) -> str:
    if not before or not after:
        return size_text(before or after)
    return f"{size_text(before)} → {size_text(after)}" if before != after else size_text(after)


def _value(value: Any) -> Child:
    if value is None:
        return element("span", "(none)", class_="quiet")
    text = plain_value(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

"""What differs between two indexes: which variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kitops_core.oci.kit_index import IndexEntry, KitIndex, label_texts


@dataclass(frozen=True)
class VariantChange:
    """A kit that one index has and the other has not, or has another of, or says something else of.

    Variants are told apart by their labels; where those differ by the tag they were added by; and else by their digest.

    Attributes:
        change: ``added``, ``removed``, ``changed`` (another kit) or ``labelled`` (the same kit), from the first to
            the second index.
        variant: Its labels in the second index, in the first where that has no such variant; its tag or digest where
            there are none.
        before: Digest in the first index, or an empty string.
        after: Digest in the second index, or an empty string.
    """

    change: Literal["added", "removed", "changed", "labelled"]
    variant: str
    before: str
    after: str


def variant_changes(before: KitIndex, after: KitIndex) -> list[VariantChange]:
    """The variants that differ, as the second index has them in order, then those that are gone."""
    pairs = paired(before, after)
    changes = []
    for entry, had in pairs:
        if had is None:
            changes.append(VariantChange("added", _name(entry), "", entry.digest))
        elif had.digest != entry.digest:
            changes.append(VariantChange("changed", _name(entry), had.digest, entry.digest))
        elif _said(had) != _said(entry):
            changes.append(VariantChange("labelled", _name(entry), had.digest, entry.digest))
    kept = [id(had) for _, had in pairs if had is not None]
    gone = [entry for entry in before.entries if id(entry) not in kept]
    return changes + [VariantChange("removed", _name(entry), entry.digest, "") for entry in gone]


def paired(before: KitIndex, after: KitIndex) -> list[tuple[IndexEntry, IndexEntry | None]]:
    """Each variant of the second index with the same variant of the first, ``None`` where that has no such."""
    left = list(before.entries)
    pairs: dict[int, IndexEntry] = {}
    for same in (_same_kit_and_labels, _same_labels, _same_kit, _same_tag):
        for place, entry in enumerate(after.entries):
            found = next((one for one in left if same(one, entry)), None) if place not in pairs else None
            if found is not None:
                pairs[place] = found
                left.remove(found)
    return [(entry, pairs.get(place)) for place, entry in enumerate(after.entries)]


def _said(entry: IndexEntry) -> tuple[dict[str, Any], dict[str, str]]:
    return entry.values, entry.annotations


def _name(entry: IndexEntry) -> str:
    return ", ".join(label_texts(entry.labels)) or entry.tag or entry.digest


def _same_kit(one: IndexEntry, other: IndexEntry) -> bool:
    return one.digest == other.digest


def _same_labels(one: IndexEntry, other: IndexEntry) -> bool:
    return bool(one.labels) and one.values == other.values


def _same_kit_and_labels(one: IndexEntry, other: IndexEntry) -> bool:
    return _same_kit(one, other) and one.values == other.values


def _same_tag(one: IndexEntry, other: IndexEntry) -> bool:
    return bool(one.tag) and one.tag == other.tag

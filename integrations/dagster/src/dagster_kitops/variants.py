"""Kits of several steps become the index of an asset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import kitops_core as kitops
from dagster_kitops.kit_ref import ModelKitRef, ModelKitVariants
from dagster_kitops.resources import KitOpsResource
from kitops_core import InvalidInputError, ModelKitRecord, parse_reference


def unpaired(kits: Iterable[str], labels: Mapping[str, Any]) -> list[str]:
    """What is said of kits and labels that are not of the same names."""
    names = list(kits)
    return [f"'{one}' has no labels" for one in names if one not in labels] + [
        f"'{one}' has labels, and no kit" for one in labels if one not in names
    ]


def index_of(
    client: kitops.Client, resource: KitOpsResource, variants: ModelKitVariants, target: str
) -> ModelKitRecord:
    """Bring the variants into the repository of their index, and make that.

    Args:
        client: Does it; a signer of its own signs the index.
        resource: Where the variants are, and the index will be.
        variants: The kits and their labels.
        target: The index's reference, with its tag.

    Raises:
        InvalidInputError: A kit has no tag or one that another has, or kits and labels are not of the same tags.
        KitOpsError: A kit could not be copied, or the index not be made.
    """
    index = parse_reference(target)
    given: dict[str, ModelKitRef] = {}
    for kit in variants.kits:
        tag = parse_reference(kit.reference).tag
        if not tag or tag == index.tag or tag in given:
            what = f"the tag '{tag}', which {'another' if tag in given else 'the index'} has" if tag else "no tag"
            raise InvalidInputError(f"{kit.reference} has {what}", hint="give each variant a tag of its own")
        given[tag] = kit
    if problems := unpaired(given, variants.labels):
        raise InvalidInputError(
            f"the variants of {target}: {', '.join(problems)}", hint="give ModelKitVariants labels for the tag of each"
        )
    members = []
    for tag, kit in given.items():
        place = str(index.with_tag(tag))
        digest = _brought(client, resource, kit.reference, place)
        members.append(kitops.Variant(f"{place}@{digest}", variants.labels[tag]))
    return client.index_kits(target, members, push=resource.remote)


def _brought(client: kitops.Client, resource: KitOpsResource, reference: str, place: str) -> str:
    """The digest of a kit that is in a place now, tagged; one that something tagged there already stays."""
    named, there = parse_reference(reference), parse_reference(place)
    if named.name == there.name:
        return named.digest or client.resolve(reference, where=resource.where(reference))
    into: Any = "registry" if resource.remote else "store"
    return client.copy(reference, place, where=resource.where(reference), into=into, referrers=True).digest

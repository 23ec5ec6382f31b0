"""Kits by name: what an asset returns when something else packed them, and what an input is that needs no more."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kitops_core as kitops
from kitops_core import ModelKitRecord, parse_reference


@dataclass(frozen=True)
class ModelKitRef:
    """A kit that is in a registry or in the local store already.

    Returned from an asset it is recorded as the asset's kit, and nothing is packed or sent. As an input's annotation
    it gives the reference, pinned to the digest, and nothing of the kit is read.

    Attributes:
        reference: The full reference: ``registry.example.com/ml/churn:1.0``, or with a digest.
    """

    reference: str

    def __post_init__(self) -> None:
        parse_reference(self.reference)

    @property
    def digest(self) -> str:
        """The digest it is pinned to, or an empty string where it names a tag."""
        return parse_reference(self.reference).digest

    @staticmethod
    def of(record: ModelKitRecord) -> ModelKitRef:
        """The kit of a record that :func:`kitops_core.pack` or another verb gave, pinned to its digest."""
        return ModelKitRef(str(parse_reference(record.reference).with_digest(record.digest)))


@dataclass(frozen=True)
class ModelKitLayers:
    """A kit whose layers were packed by several steps, with :meth:`KitOpsResource.pack_layers`.

    Returned from an asset it becomes the kit that one step would have packed, with the same digest.

    Attributes:
        layers: The layers, in any order: records, or their JSON.
        kitfile: The Kitfile of the whole kit, or its path.
    """

    layers: Sequence[kitops.LayerRecord | Mapping[str, Any]]
    kitfile: str | os.PathLike[str] | kitops.Kitfile


@dataclass(frozen=True)
class ModelKitVariants:
    """The variants of a model, each a kit that a step packed, such as the outputs of mapped ops.

    Returned from an asset it becomes their index, one reference from which a server takes the variant that fits. The
    kits are copied into the asset's repository first, with their tags and digests and all that is attached to them.

    Attributes:
        kits: The kits, in any order, each with a tag.
        labels: What each is chosen by, by its tag: any JSON values by name.
    """

    kits: Sequence[ModelKitRef]
    labels: Mapping[str, Mapping[str, Any]]

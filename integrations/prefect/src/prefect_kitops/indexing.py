"""A task that makes one reference over the variants of a model, which mapped tasks packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kitops_core as kitops
from prefect_kitops.connection import Kit, Registry, connect
from prefect_kitops.packing import make_kit
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_name, twins


@twins("index-modelkits", run_name("index", "reference"))
def _index(
    reference: str, variants: Sequence[tuple[Kit, Mapping[str, Any]]], *, registry: Registry = None
) -> ModelKitRef:
    """Make a ModelKit index: one reference over the variants of a model, from which a server takes the one that fits.

    The index names each kit by the digest that its task gave. It is a version of the asset of its repository, with the
    variants in the metadata, and its event is that of a kit that was pushed. The same kits with the same labels give
    the same digest, in whatever order their tasks came to an end.

    Args:
        reference: The index, by a tag; with a ``ModelKitRepository`` a tag is enough.
        variants: Kits of the same repository, each with its labels: any JSON values by name.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.index_kits`.
    """
    connection = connect(registry)
    kits = [kitops.Variant(str(connection.reference(kit)), labels) for kit, labels in variants]

    def work(client: kitops.Client, place: str, push: bool, _: kitops.Provenance) -> kitops.ModelKitRecord:
        return client.index_kits(place, kits, push=push)

    return make_kit(reference, work, registry=registry, card=False)  # a card is of one kit


index_modelkits, aindex_modelkits = _index

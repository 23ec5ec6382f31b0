"""Kits as Prefect assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

import kitops_core as kitops
from kitops_core.orchestrate.metadata import record_metadata
from kitops_core.orchestrate.names import asset_key
from prefect_kitops.reference import ModelKitRef

MADE_BY = "kitops"
Upstream: TypeAlias = str | ModelKitRef | Asset
"""What a kit was made from: a kit, its reference, or an asset by its key, such as ``s3://bucket/table``."""


def modelkit_asset(reference: str, *, url: str = "", description: str = "", owners: Sequence[str] = ()) -> Asset:
    """The asset whose versions are the kits of a repository, for ``asset_deps`` and for ``@materialize``.

    Args:
        reference: The repository, or any kit in it.
        url: The repository's page.
        description: What it is.
        owners: Who owns it.

    Raises:
        InvalidReferenceError: It does not follow the grammar, or is longer than Prefect takes.
    """
    parsed = kitops.parse_reference(reference)
    given: dict[str, Any] = {"name": parsed.name}
    if url:
        given["url"] = url
    if description:
        given["description"] = description
    if owners:
        given["owners"] = list(owners)
    return Asset(key=asset_key(parsed), properties=AssetProperties(**given))


def kits_of(upstream: Iterable[Upstream]) -> list[str]:
    """The kits among what something was made from, as references."""
    return [str(item) for item in upstream if not isinstance(item, Asset) and "://" not in str(item)]


def upstream_assets(upstream: Iterable[Upstream]) -> list[Asset]:
    """What something was made from, as assets."""
    found: dict[str, Asset] = {}
    for item in upstream:
        if isinstance(item, Asset):
            asset = item
        elif "://" in str(item):
            asset = Asset(key=str(item))
        else:
            asset = Asset(key=asset_key(kitops.parse_reference(str(item))))
        found.setdefault(asset.key, asset)
    return list(found.values())


def materializes(reference: kitops.Reference, url: str, upstream: Iterable[Asset] = ()) -> None:
    """Make the task run at hand one that materializes a kit's asset.

    Prefect fixes a task's assets where it is defined; what a kit is called is often known only in the run. Called
    before the work, so that a failure is an event of the asset too. Outside a task run it does nothing.
    """
    key = asset_key(reference)
    context = AssetContext.get()
    if context is None:
        return
    if key not in {asset.key for asset in context.downstream_assets}:
        context.downstream_assets.add(modelkit_asset(str(reference), url=url))
    context.direct_asset_dependencies.update(asset for asset in upstream if asset.key != key)
    context.materialized_by = context.materialized_by or MADE_BY
    context.update_tracked_assets()


def add_record(kit: ModelKitRef, record: kitops.ModelKitRecord) -> None:
    """Put digest, tag and the shared record into the metadata of the asset that the task run materializes."""
    context = AssetContext.get()
    if context is not None:
        context.add_asset_metadata(kit.asset_key, {**record_metadata(record), "reference": kit.reference})

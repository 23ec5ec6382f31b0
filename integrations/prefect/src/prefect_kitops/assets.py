"""Kits as Prefect assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

from prefect_kitops.connection import Place
from prefect_kitops.reference import ModelKitRef, asset_key, key_of

if TYPE_CHECKING:
    from kitops_core.record import ModelKitRecord

MADE_BY = "kitops"


def modelkit_asset(reference: str, *, url: str = "", description: str = "", owners: Sequence[str] = ()) -> Asset:
    """The asset whose versions are the kits of a repository, for ``asset_deps`` and for ``@materialize``.

    Args:
        reference: The repository, or any kit in it.
        url: The repository's page.
        description: What it is.
        owners: Who owns it.
    """
    from kitops_core.reference import parse_reference

    parsed = parse_reference(reference)
    given: dict[str, Any] = {"name": parsed.name}
    if url:
        given["url"] = url
    if description:
        given["description"] = description
    if owners:
        given["owners"] = list(owners)
    return Asset(key=key_of(parsed), properties=AssetProperties(**given))


def upstream_assets(*groups: Iterable[str | ModelKitRef | Asset]) -> list[Asset]:
    """Assets from kits, references and keys of other assets (``s3://bucket/table``)."""
    found: dict[str, Asset] = {}
    for item in (item for group in groups for item in group):
        if isinstance(item, Asset):
            asset = item
        elif isinstance(item, str) and "://" in item:
            asset = Asset(key=item)
        else:
            asset = Asset(key=asset_key(str(item)))
        found.setdefault(asset.key, asset)
    return list(found.values())


def materializes(place: Place, upstream: Iterable[Asset] = ()) -> None:
    """Make the task run at hand one that materializes a kit's asset.

    Prefect fixes a task's assets where it is defined; what a kit is called is often known only in the run. Called
    before the work, so that a failure is an event of the asset too. Outside a task run it does nothing.
    """
    context = AssetContext.get()
    if context is None:
        return
    key = key_of(place.reference)
    if key not in {asset.key for asset in context.downstream_assets}:
        context.downstream_assets.add(modelkit_asset(str(place.reference), url=place.url))
    context.direct_asset_dependencies.update(asset for asset in upstream if asset.key != key)
    context.materialized_by = context.materialized_by or MADE_BY
    context.update_tracked_assets()


def add_record(kit: ModelKitRef, record: ModelKitRecord) -> None:
    """Put digest, tag and the shared record into the metadata of the asset that the task run materializes."""
    from prefect_kitops.events import slim

    context = AssetContext.get()
    if context is not None:
        context.add_asset_metadata(kit.asset_key, {**slim(record), "reference": kit.reference})

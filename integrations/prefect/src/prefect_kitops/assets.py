"""Kits as Prefect assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext

import kitops_core as kitops
from kitops_core.orchestrate.metadata import record_metadata
from kitops_core.orchestrate.names import MAX_ASSET_KEY, asset_key
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_logger

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


MAX_UPSTREAM = 60
"""How many assets a kit's event has upstream: Prefect drops an event with more than 100 related resources, and counts
the flow, the runs, the deployment and every tag of the run among them."""
MAX_UPSTREAM_BYTES = 512 * 1024
"""How much of the metadata the keys of upstream assets may take: Prefect takes 1.5 MB in one event."""


def kits_of(upstream: Iterable[Upstream]) -> list[str]:
    """The kits among what something was made from, as references."""
    return [str(item) for item in upstream if not isinstance(item, Asset) and "://" not in str(item)]


def upstream_assets(upstream: Iterable[Upstream]) -> list[Asset]:
    """What something was made from, as assets.

    Raises:
        InvalidInputError: Prefect would not take a key, or lose the event that has it.
    """
    found: dict[str, Asset] = {}
    for item in upstream:
        asset = item if isinstance(item, Asset) else _asset(str(item))
        if len(asset.key) > MAX_ASSET_KEY or any(character.isspace() for character in asset.key):
            raise _no_key(asset.key)
        found.setdefault(asset.key, asset)
    return list(found.values())


def _asset(text: str) -> Asset:
    if "://" not in text:
        return Asset(key=asset_key(kitops.parse_reference(text)))
    try:
        return Asset(key=text)
    except ValueError as error:
        raise _no_key(text) from error


def _no_key(text: str) -> kitops.InvalidInputError:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return kitops.InvalidInputError(
        f"{shown!r} cannot be the key of an upstream asset",
        hint=f"write scheme://name, of at most {MAX_ASSET_KEY} characters, without spaces, tabs and line breaks",
    )


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
    _cap_upstream(context, key)
    context.update_tracked_assets()


def upstream_keys() -> list[str]:
    """Everything that Prefect knows the asset at hand to be made from, also what its event has no room for."""
    context = AssetContext.get()
    if context is None:
        return []
    told = {asset.key for asset in context.upstream_assets | context.direct_asset_dependencies}
    rest = (metadata.get("upstream", ()) for metadata in context.materialization_metadata.values())
    return sorted(told.union(*rest))


def _cap_upstream(context: AssetContext, key: str) -> None:
    """Leave in the event what it takes, and put all keys into the metadata instead."""
    everything = context.direct_asset_dependencies | context.upstream_assets
    if len(everything) <= MAX_UPSTREAM:
        return
    keys, room = upstream_keys(), MAX_UPSTREAM_BYTES
    listed = [name for name in keys if (room := room - len(name.encode()) - 4) >= 0]
    context.add_asset_metadata(key, {"upstream": listed, "upstream_total": len(keys)})
    named = sorted(context.direct_asset_dependencies, key=lambda asset: asset.key)
    inferred = sorted(context.upstream_assets - context.direct_asset_dependencies, key=lambda asset: asset.key)
    kept = {asset.key for asset in [*named, *inferred][:MAX_UPSTREAM]}
    for assets in (context.direct_asset_dependencies, context.upstream_assets):
        assets.difference_update([asset for asset in assets if asset.key not in kept])
    run_logger().warning(
        "%s",
        f"{key} is made from {len(keys)} assets, and its event has room for {MAX_UPSTREAM}: "
        "the others are in its metadata and in the kit's provenance",
    )


def add_record(kit: ModelKitRef, record: kitops.ModelKitRecord) -> None:
    """Put digest, tag and the shared record into the metadata of the asset that the task run materializes."""
    context = AssetContext.get()
    if context is not None:
        context.add_asset_metadata(kit.asset_key, {**record_metadata(record), "reference": kit.reference})

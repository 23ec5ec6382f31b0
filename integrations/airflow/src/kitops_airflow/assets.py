"""ModelKits as assets: one way to make one, so that whoever writes and whoever waits mean the same.

An asset is a repository, ``oci://host/repository``, or a channel of it, ``oci://host/repository?tag=prod``. The digest
is in each event's ``extra``: in the URI it would make a new asset of every version, and nothing could wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from kitops_core import InvalidReferenceError, parse_reference
from kitops_core.orchestrate.names import ASSET_SCHEME, asset_key

if TYPE_CHECKING:
    from kitops_core import Reference

GROUP = "modelkit"


def modelkit_asset(
    reference: str,
    name: str | None = None,
    *,
    tag: str | None = None,
    watch: bool = False,
    kitops_conn_id: str = "kitops_default",
    poll_interval: float | None = None,
    emit_initial: bool = True,
) -> Asset:
    """The asset of a repository, or of one of its tags.

    Always make ModelKit assets with this function: Airflow tells assets apart by name *and* URI, and a hand-written one
    that differs in either is another asset, whose events nobody waits for.

    Args:
        reference: ``registry/repository``, without tag or digest.
        name: The asset's name; by default its URI. Whoever waits for the asset must give the same.
        tag: One tag of the repository, for a channel such as ``prod``.
        watch: Also look at the registry, and make an event when the tag is moved by anyone (Airflow 3).
        kitops_conn_id: The connection to look with.
        poll_interval: Seconds between two looks; by default ``[kitops] poll_interval``.
        emit_initial: Whether the kit that the tag has at the first look makes an event.

    Raises:
        InvalidReferenceError: The reference is not that of a repository in a registry.
        RuntimeError: ``watch`` on Airflow 2, which has no watchers.
    """
    parsed = parse_reference(reference)
    if parsed.layout or parsed.is_local_name:
        raise InvalidReferenceError(
            f"'{reference}' is not in a registry",
            hint="an asset is registry/repository: others must be able to reach it",
        )
    if parsed.tag or parsed.digest:
        raise InvalidReferenceError(
            f"'{reference}' names one version, and an asset is a repository",
            hint=f"write '{parsed.name}', and tag='{parsed.tag}' for the asset of that tag" if parsed.tag else "",
        )
    uri = asset_key(parsed, parsed.with_tag(tag).tag if tag else "")
    if not AIRFLOW_V_3_0_PLUS:  # a Dataset has neither name, group nor watchers
        if watch:
            raise RuntimeError("watch=True needs Airflow 3; on Airflow 2 wait with ModelKitTagSensor")
        return Asset(uri)
    watchers = []
    if watch:
        watchers = [_watcher(parsed, tag, name or uri, kitops_conn_id, poll_interval, emit_initial)]
    return Asset(name=name or uri, uri=uri, group=GROUP, watchers=watchers)


def create_asset(*, reference: str, extra: dict[str, Any] | None = None) -> Asset:
    """Airflow's factory of ``oci`` assets, used for the lineage that hooks collect."""
    asset = modelkit_asset(parse_reference(reference).name)
    asset.extra = {**(asset.extra or {}), **(extra or {})}  # Airflow 2 has None for none
    return asset


def is_modelkit(asset: object) -> bool:
    """Whether something in a task's outlets or inlets is the asset of a ModelKit."""
    return isinstance(asset, Asset) and asset.uri.startswith(f"{ASSET_SCHEME}://")


def _watcher(
    reference: Reference,
    tag: str | None,
    asset: str,
    kitops_conn_id: str,
    poll_interval: float | None,
    emit_initial: bool,
) -> Any:
    if not tag:
        raise InvalidReferenceError(f"'{reference}': a watched asset needs a tag", hint="say which: tag='prod'")
    from airflow.sdk import AssetWatcher

    from kitops_airflow.triggers.tag import ModelKitTagTrigger

    # The asset's name is among the arguments: two assets with one trigger would share it, and its memory.
    trigger = ModelKitTagTrigger(
        reference=str(reference.with_tag(tag)),
        kitops_conn_id=kitops_conn_id,
        poll_interval=poll_interval,
        emit_initial=emit_initial,
        watched_asset=asset,
    )
    return AssetWatcher(name=f"{reference.repository}:{tag}", trigger=trigger)

"""ModelKits as assets: one way to make one, so that whoever writes and whoever waits mean the same.

An asset is a repository, ``oci://host/repository``, or a channel of it, ``oci://host/repository?tag=prod``. The digest
is in each event's ``extra``: in the URI it would make a new asset of every version, and nothing could wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from airflow.providers.common.compat.sdk import Asset
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

import kitops_core as kitops
from kitops_core import InvalidReferenceError, parse_reference
from kitops_core.orchestrate.names import ASSET_SCHEME, asset_key

GROUP = "modelkit"
_NOBODYS = "x-modelkit://asset"
"""A URI that Airflow takes as it is."""
WATCH = "watch"
"""What the URI of a watched asset has: the connection that it is watched with."""


def modelkit_asset(
    reference: str,
    *,
    tag: str | None = None,
    watch: bool = False,
    kitops_conn_id: str = "kitops_default",
    poll_interval: float | None = None,
    emit_initial: bool = True,
) -> Asset:
    """The asset of a repository, or of one of its tags.

    Always make ModelKit assets with this function: Airflow tells assets apart by name *and* URI, and a hand-written one
    that differs in either is another asset, whose events nobody waits for. So the name is the URI, always.

    A watched asset is another one than that of the tag, and how it is watched is in its URI: Airflow sets the watchers
    of an asset to what the file says that it parsed last, so that one asset, written once with a watcher and once
    without, would lose it.

    Args:
        reference: ``registry/repository``, without tag or digest.
        tag: One tag of the repository, for a channel such as ``prod``.
        watch: The asset that has an event when anyone moves the tag in the registry (Airflow 3). Schedule on it; it
            cannot be an outlet.
        kitops_conn_id: The connection to look with.
        poll_interval: Seconds between two looks; by default ``[kitops] poll_interval``.
        emit_initial: Whether the kit that the tag has at the first look makes an event.

    Raises:
        InvalidReferenceError: The reference is not that of a repository in a registry, or ``watch`` has no tag.
        RuntimeError: ``watch`` on Airflow 2, which has no watchers.
    """
    parsed = parse_reference(reference)
    if not parsed.in_registry:
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
    if not watch:
        return _asset(uri)
    if not tag:
        raise InvalidReferenceError(f"'{reference}': a watched asset needs a tag", hint="say which: tag='prod'")
    how = {"tag": tag, WATCH: kitops_conn_id}
    if poll_interval is not None:
        how["every"] = f"{poll_interval:g}"
    if not emit_initial:
        how["initial"] = "no"
    uri = f"{asset_key(parsed)}?{urlencode(sorted(how.items()))}"  # in the order that Airflow gives them
    watcher = _watcher(parsed.with_tag(tag), uri, kitops_conn_id, poll_interval, emit_initial)
    return _asset(uri, watchers=[watcher])


def _asset(uri: str, **kwargs: Any) -> Asset:
    """An asset by its URI, which is in the form that Airflow gives it already.

    Airflow would ask the providers for that, and load all of them that have a kind of URI: for the first asset of each
    task's process 0.2 s and 300 modules where Amazon's is installed, more than all that a task does that packs.
    """
    asset = Asset(name=uri, uri=_NOBODYS, group=GROUP, **kwargs)
    object.__setattr__(asset, "uri", uri)
    return asset


def create_asset(*, reference: str, extra: dict[str, Any] | None = None) -> Asset:
    """Airflow's factory of ``oci`` assets, used for the lineage that hooks collect."""
    asset = modelkit_asset(parse_reference(reference).name)
    asset.extra = {**(asset.extra or {}), **(extra or {})}  # Airflow 2 has None for none
    return asset


def is_modelkit(asset: object) -> bool:
    """Whether something is the asset of a ModelKit, and not an ``oci`` asset of others."""
    if not isinstance(asset, Asset) or not asset.uri.startswith(f"{ASSET_SCHEME}://"):
        return False
    return getattr(asset, "group", GROUP) == GROUP  # Airflow 2 has no groups


def check_asset(asset: object) -> None:
    """Refuse an asset that a task cannot take kits from, when the DAG is parsed.

    Raises:
        ValueError: It was not made with :func:`modelkit_asset`.
    """
    if not is_modelkit(asset):
        what = asset.uri if isinstance(asset, Asset) else repr(asset)
        raise ValueError(f"{what} is not the asset of a ModelKit: make it with modelkit_asset('registry/repository')")


def check_outlets(outlets: Iterable[object]) -> None:
    """Refuse outlets whose events somebody else makes, and twins of ours by another name, when the DAG is parsed.

    Raises:
        ValueError: An outlet is a watched asset, or has the URI of one of ours and was not made like it.
    """
    found = list(outlets)
    ours = {outlet.uri for outlet in found if is_modelkit(outlet)}  # type: ignore[attr-defined]
    for outlet in found:
        if isinstance(outlet, Asset) and outlet.uri in ours and not _is_as_made(outlet):
            raise ValueError(
                f"{outlet.uri} is made by hand: Airflow would take it for another asset with the same "
                "URI, and fail the tasks of one of them. Make it with modelkit_asset"
            )
        if is_modelkit(outlet) and WATCH in parse_qs(urlsplit(outlet.uri).query):  # type: ignore[attr-defined]
            raise ValueError(
                f"{outlet.uri} is watched: its events come from the registry. "  # type: ignore[attr-defined]
                "Announce the asset without watch=True; the watcher sees the tag move"
            )


def _is_as_made(asset: Asset) -> bool:
    """Whether name and group are those that :func:`modelkit_asset` gives; Airflow 2 has neither."""
    return is_modelkit(asset) and getattr(asset, "name", asset.uri) == asset.uri


def _watcher(
    reference: kitops.Reference, asset: str, kitops_conn_id: str, poll_interval: float | None, emit_initial: bool
) -> Any:
    from airflow.sdk import AssetWatcher

    from kitops_airflow.triggers.tag import ModelKitTagTrigger

    # The asset's name is among the arguments: two assets with one trigger would share it, and its memory.
    trigger = ModelKitTagTrigger(
        reference=str(reference),
        kitops_conn_id=kitops_conn_id,
        poll_interval=poll_interval,
        emit_initial=emit_initial,
        watched_asset=asset,
    )
    return AssetWatcher(name=f"{reference.repository}:{reference.tag}", trigger=trigger)

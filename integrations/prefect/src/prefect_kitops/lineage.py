"""What is known of a kit on open-source Prefect, which has no catalogue of assets.

Prefect keeps the events, the registry keeps what is attached to a kit and its promotions; here they come together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import kitops_core as kitops
from kitops_core.orchestrate.markdown import code, plain, table
from kitops_core.orchestrate.names import asset_key
from prefect_kitops.connection import Kit, Registry, connect
from prefect_kitops.events import PREFIX
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.tasks import pin

_WINDOW = timedelta(days=14)
"""How long a time Prefect Cloud searches at once."""
_MATERIALIZED = "prefect.asset.materialization."


@dataclass(frozen=True)
class KitEvent:
    """One event of Prefect about a kit.

    Attributes:
        event: Its name, such as ``kitops.modelkit.pushed``.
        occurred: When, in RFC 3339.
        digest: The kit's digest.
        channel: The channel, of a promotion.
        flow: Name of the flow.
        flow_run: Name of the flow run.
        flow_run_id: Its id.
        upstream: Keys of the assets it was made from, of a materialization.
    """

    event: str
    occurred: str
    digest: str
    channel: str = ""
    flow: str = ""
    flow_run: str = ""
    flow_run_id: str = ""
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelKitLineage:
    """What is known of one kit.

    Attributes:
        kit: The kit.
        events: Events of Prefect about this digest, oldest first.
        promotions: Its promotions, newest first, from the registry.
        made_from: What it was made from, from the provenance in the registry.
    """

    kit: ModelKitRef
    events: tuple[KitEvent, ...]
    promotions: tuple[kitops.PromotionRecord, ...]
    made_from: kitops.Lineage

    @property
    def upstream(self) -> tuple[str, ...]:
        """All that Prefect or the provenance knows it was made from: assets by key, kits pinned to their digest."""
        keys = [key for event in self.events for key in event.upstream]
        edges = self.made_from.parents(self.made_from.root)
        keys += [_asset(self.made_from.node(edge.parent)) for edge in edges if edge.relation != "commit"]
        return tuple(dict.fromkeys(keys))

    def to_dict(self) -> dict[str, Any]:
        """The lineage as JSON."""
        return {
            "kit": self.kit.model_dump(mode="json"),
            "events": [dict(vars(event)) for event in self.events],
            "promotions": [record.to_dict() for record in self.promotions],
            "made_from": self.made_from.to_dict(),
        }

    def to_markdown(self) -> str:
        """The lineage for people, with a Mermaid flowchart of what the kit was made from."""
        events = [
            tuple(
                map(
                    plain,
                    (event.occurred[:19], event.event.removeprefix(PREFIX), event.channel, event.flow, event.flow_run),
                )
            )
            for event in self.events
        ]
        promotions = [
            tuple(map(plain, (record.to_dict()["time"][:19], record.action, record.channel, record.actor)))
            for record in self.promotions
        ]
        return "\n".join(
            [
                f"# Lineage of {plain(self.kit.repository)}",
                "",
                code(self.kit.digest),
                "",
                "```mermaid",
                self.made_from.to_mermaid().strip(),
                "```",
                "",
                *(["## In Prefect", "", *table(("time", "event", "channel", "flow", "run"), events)] if events else []),
                *(["## Promotions", "", *table(("time", "action", "channel", "by"), promotions)] if promotions else []),
            ]
        )


def modelkit_lineage(kit: Kit, *, registry: Registry = None, days: float = 90, depth: int = 10) -> ModelKitLineage:
    """Bring together what Prefect's events and the registry know of a kit.

    Args:
        kit: The kit.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        days: How far back to look for events; Prefect itself forgets events after a while.
        depth: How many generations of parents to read from the registry.

    Raises:
        KitOpsError: The kit or what is attached to it cannot be read.
    """
    connection = connect(registry)
    with connection.client() as client:
        pinned = pin(client, connection.reference(kit))
        made_from = client.lineage(pinned.reference, depth=depth)
        promotions = tuple(client.history(pinned.reference))
    return ModelKitLineage(pinned, tuple(_events(pinned, days)), promotions, made_from)


def _asset(node: kitops.Node) -> str:
    if node.kind != "kit":
        return node.reference
    return f"{asset_key(kitops.parse_reference(node.reference))}@{node.digest}"


def _events(kit: ModelKitRef, days: float) -> Iterator[KitEvent]:
    from prefect.client.orchestration import get_client

    now = datetime.now(timezone.utc)
    since = now - timedelta(days=days)
    with get_client(sync_client=True) as client:
        while since < now:
            until = since + _WINDOW
            occurred = {"since": since.isoformat()} | ({"until": until.isoformat()} if until < now else {})
            about = {"event": {"prefix": [PREFIX, _MATERIALIZED]}, "resource": {"id": [kit.asset_key]}, "order": "ASC"}
            query = {"filter": {"occurred": occurred, **about}, "limit": 50}
            page = client.request("POST", "/events/filter", json=query).json()
            while page:
                yield from (_kit_event(event) for event in page["events"] if _digest(event) == kit.digest)
                # The server writes its own address into the link; what counts is where we reach it.
                rest = page.get("next_page")
                page = rest and client.request("GET", "/events/filter/next", params=_query(rest)).json()
            since = until


def _query(url: str) -> dict[str, str]:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(url).query))


def _digest(event: dict[str, Any]) -> str:
    return str(event["resource"].get("kitops.digest") or (event.get("payload") or {}).get("digest") or "")


def _kit_event(event: dict[str, Any]) -> KitEvent:
    related: dict[str, dict[str, str]] = {}
    upstream = []
    for resource in event["related"]:
        role = resource.get("prefect.resource.role", "")
        related.setdefault(role, resource)
        if role == "asset":
            upstream.append(resource["prefect.resource.id"])
    run = related.get("flow-run", {})
    return KitEvent(
        event=event["event"],
        occurred=event["occurred"],
        digest=_digest(event),
        channel=event["resource"].get("kitops.channel", ""),
        flow=related.get("flow", {}).get("prefect.resource.name", ""),
        flow_run=run.get("prefect.resource.name", ""),
        flow_run_id=run.get("prefect.resource.id", "").removeprefix("prefect.flow-run."),
        upstream=tuple(upstream),
    )

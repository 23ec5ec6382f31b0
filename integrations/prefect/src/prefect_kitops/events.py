"""What happened to a kit, as events that automations run on.

A trigger sees the labels of an event's resources and not its payload, so all that one may want to match on is a label.
Events are sent on a best effort: neither a server that is away nor an event that it would not take fails a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import in_run, run_logger

What = Literal[
    "packed",
    "pushed",
    "pulled",
    "promoted",
    "promotion-unchanged",
    "promotion-superseded",
    "promotion-refused",
    "rolled-back",
]
PREFIX = "kitops.modelkit."
VERSION_ROLE = "modelkit-version"
TAG_ROLE = "modelkit-tag"
MAX_RELATED = 30
"""How many tags and how many parents are related resources: Prefect takes no event that has more than 100 of them."""


def emit_kit_event(
    what: What,
    kit: ModelKitRef,
    payload: Mapping[str, Any],
    *,
    channel: str = "",
    parents: Sequence[str] = (),
) -> None:
    """Tell Prefect what happened to a kit in the run at hand; see :func:`kit_event`."""
    from prefect.events import emit_event

    if not in_run():
        return
    event = kit_event(what, kit, payload, channel=channel, parents=parents)
    try:
        emit_event(**event)
    except Exception as error:  # the kit is where it is, whatever is told of it
        run_logger().warning("%s", f"the event {PREFIX}{what} of {kit} was not sent: {type(error).__name__}: {error}")


def kit_event(
    what: What,
    kit: ModelKitRef,
    payload: Mapping[str, Any],
    *,
    channel: str = "",
    parents: Sequence[str] = (),
) -> dict[str, Any]:
    """What happened to a kit, as the arguments of :func:`prefect.events.emit_event`.

    The event's resource is the asset, labelled with repository, tag and digest; the version itself and each of its
    tags are related resources. A tag says for itself whether it moved: a kit with a new tag may have old ones, too.

    Args:
        what: What happened.
        kit: The kit.
        payload: The shared record, or a promotion.
        channel: The channel, of a promotion.
        parents: References of the kits it was made from.
    """
    tags = dict.fromkeys(filter(None, [kit.tag, *kit.tags]))
    resource = {
        "prefect.resource.id": kit.asset_key,
        "prefect.resource.name": kit.repository,
        "kitops.repository": kit.repository,
        "kitops.tag": kit.tag,
        "kitops.digest": kit.digest,
        "kitops.previous-digest": kit.previous_digest,
        "kitops.changed": str(kit.changed).lower(),
        "kitops.channel": channel,
    }
    related = [
        {"prefect.resource.id": f"{kit.asset_key}@{kit.digest}", "prefect.resource.role": VERSION_ROLE},
        *(
            {
                "prefect.resource.id": f"{kit.asset_key}:{tag}",
                "prefect.resource.role": TAG_ROLE,
                "kitops.tag": tag,
                "kitops.changed": str(tag in kit.moved).lower(),
            }
            for tag in sorted(tags, key=lambda tag: tag not in kit.moved)[:MAX_RELATED]  # what moved first
        ),
        *(
            {"prefect.resource.id": f"oci://{parent}", "prefect.resource.role": "modelkit-parent"}
            for parent in parents[:MAX_RELATED]
        ),
    ]
    return {
        "event": PREFIX + what,
        "resource": {name: value for name, value in resource.items() if value},
        "related": related,
        "payload": {**payload, "reference": kit.reference},
    }

"""Triggers that run a deployment when something happens to a kit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from prefect.events import DeploymentEventTrigger

import kitops_core as kitops
from kitops_core.orchestrate.names import asset_key
from prefect_kitops.events import PREFIX, TAG_ROLE, What
from prefect_kitops.repository import ModelKitRepository

PARAMETERS: Mapping[str, Any] = {"reference": "{{ event.payload.reference }}"}
"""The kit as a deployment's parameter: its reference, pinned to the digest of the event."""


def modelkit_pushed_trigger(
    repository: str | ModelKitRepository,
    tag: str = "*",
    *,
    parameters: Mapping[str, Any] | None = None,
    name: str = "",
    match: Mapping[str, str | list[str]] | None = None,
    unchanged: bool = False,
    within: float = 0,
    threshold: int = 1,
    **options: Any,
) -> DeploymentEventTrigger:
    """Run a deployment when a push moved a tag, with the kit as its parameter ``reference``, pinned to its digest.

    Args:
        repository: The repository; ``*`` at the end stands for anything (``registry.example.com/ml/*``).
        tag: Only for pushes that moved this tag; ``*`` at the end stands for anything.
        parameters: The deployment's parameters, in which ``{{ event.payload.reference }}`` is the pinned reference
            and ``{{ event.payload.digest }}`` the digest; by default ``reference`` only.
        name: The automation's name.
        match: More labels of the kit that must be so, such as ``kitops.digest``.
        unchanged: Also run when a kit was pushed that the tag named already.
        within: Seconds in which ``threshold`` pushes are counted. With a threshold of 1, Prefect runs the deployment
            for the first push in that time and for none of those that follow, the newest included: leave it at 0.
        threshold: How many pushes it takes.
        **options: More fields of :class:`prefect.events.DeploymentEventTrigger`.
    """
    changed = {} if unchanged else {"kitops.changed": "true"}
    # A kit may get several tags at once, so they are related resources rather than a label of the kit's.
    related: dict[str, str | list[str]] = (
        {} if tag == "*" else {"prefect.resource.role": TAG_ROLE, "kitops.tag": tag, **changed}
    )
    where = _name(repository)
    return DeploymentEventTrigger(
        name=name or f"ModelKit pushed: {where}" + (f":{tag}" if related else ""),
        expect={f"{PREFIX}pushed"},
        match={"prefect.resource.id": _key(where), **changed, **(match or {})},
        match_related=related,
        parameters=dict(parameters if parameters is not None else PARAMETERS),
        within=timedelta(seconds=within),
        threshold=threshold,
        **options,
    )


def modelkit_promoted_trigger(
    repository: str | ModelKitRepository,
    channel: str = "*",
    *,
    what: What = "promoted",
    parameters: Mapping[str, Any] | None = None,
    name: str = "",
    match: Mapping[str, str | list[str]] | None = None,
    within: float = 0,
    threshold: int = 1,
    **options: Any,
) -> DeploymentEventTrigger:
    """Run a deployment when a kit came into a channel, with that kit as its parameter ``reference``.

    Args:
        repository: The repository the channel is in; ``*`` at the end stands for anything.
        channel: The channel.
        what: ``promoted``, ``rolled-back``, ``promotion-refused``, ``promotion-superseded`` or ``promotion-unchanged``.
        parameters: The deployment's parameters, as for :func:`modelkit_pushed_trigger`.
        name: The automation's name.
        match: More labels of the kit that must be so, such as ``kitops.previous-digest``.
        within: As for :func:`modelkit_pushed_trigger`.
        threshold: As for :func:`modelkit_pushed_trigger`.
        **options: More fields of :class:`prefect.events.DeploymentEventTrigger`.
    """
    where = _name(repository)
    moved = {"kitops.changed": "true"} if what in ("promoted", "rolled-back") else {}
    return DeploymentEventTrigger(
        name=name or f"ModelKit {what}: {where}" + (f" in {channel}" if channel != "*" else ""),
        expect={PREFIX + what},
        match={"prefect.resource.id": _key(where), "kitops.channel": channel, **moved, **(match or {})},
        parameters=dict(parameters if parameters is not None else PARAMETERS),
        within=timedelta(seconds=within),
        threshold=threshold,
        **options,
    )


def _name(repository: str | ModelKitRepository) -> str:
    return repository.full_name if isinstance(repository, ModelKitRepository) else repository


def _key(repository: str) -> str:
    return f"oci://{repository}" if repository.endswith("*") else asset_key(kitops.parse_reference(repository))

"""Triggers that run a deployment when something happens to a kit."""

from __future__ import annotations

from collections.abc import Mapping
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
    unchanged: bool = False,
    **options: Any,
) -> DeploymentEventTrigger:
    """Run a deployment when a kit is pushed, with that kit as its parameter ``reference``, pinned to its digest.

    Args:
        repository: The repository; ``*`` at the end stands for anything (``registry.example.com/ml/*``).
        tag: Only for kits that got this tag; ``*`` at the end stands for anything.
        parameters: The deployment's parameters, in which ``{{ event.payload.reference }}`` is the pinned reference
            and ``{{ event.payload.digest }}`` the digest; by default ``reference`` only.
        name: The automation's name.
        unchanged: Also run when a kit was pushed that the tag named already.
        **options: More fields of :class:`prefect.events.DeploymentEventTrigger`.
    """
    match = {} if unchanged else {"kitops.changed": "true"}
    return _trigger("pushed", repository, match, tag=tag, parameters=parameters, name=name, **options)


def modelkit_promoted_trigger(
    repository: str | ModelKitRepository,
    channel: str = "*",
    *,
    what: What = "promoted",
    parameters: Mapping[str, Any] | None = None,
    name: str = "",
    **options: Any,
) -> DeploymentEventTrigger:
    """Run a deployment when a kit came into a channel, with that kit as its parameter ``reference``.

    Args:
        repository: The repository the channel is in; ``*`` at the end stands for anything.
        channel: The channel.
        what: ``promoted``, ``rolled-back`` or ``promotion-refused``.
        parameters: The deployment's parameters, as for :func:`modelkit_pushed_trigger`.
        name: The automation's name.
        **options: More fields of :class:`prefect.events.DeploymentEventTrigger`.
    """
    match = {"kitops.channel": channel}
    return _trigger(what, repository, match, parameters=parameters, name=name, **options)


def _trigger(
    what: What,
    repository: str | ModelKitRepository,
    match: Mapping[str, str],
    *,
    tag: str = "*",
    parameters: Mapping[str, Any] | None,
    name: str,
    **options: Any,
) -> DeploymentEventTrigger:
    where = repository.full_name if isinstance(repository, ModelKitRepository) else repository
    # A kit may get several tags at once, so they are related resources rather than a label of the kit's.
    related: dict[str, str | list[str]] = {} if tag == "*" else {"prefect.resource.role": TAG_ROLE, "kitops.tag": tag}
    return DeploymentEventTrigger(
        name=name or f"ModelKit {what}: {where}" + (f":{tag}" if related else ""),
        expect={PREFIX + what},
        match={"prefect.resource.id": _key(where), **match},
        match_related=related,
        parameters=dict(parameters if parameters is not None else PARAMETERS),
        **options,
    )


def _key(repository: str) -> str:
    return f"oci://{repository}" if repository.endswith("*") else asset_key(kitops.parse_reference(repository))

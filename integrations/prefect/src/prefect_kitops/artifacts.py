"""Artifacts of a run that people read: a kit's card and a link to its repository."""

from __future__ import annotations

import hashlib
import re

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.context import FlowRunContext, TaskRunContext

import kitops_core as kitops
from kitops_core.errors import KitOpsError, NotFoundError
from prefect_kitops.attached import read_attached
from prefect_kitops.card import kit_card
from prefect_kitops.connection import Kit, RegistryBlock, find_place
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_logger

_MAX_SLUG = 40


def modelkit_card(kit: Kit, *, registry: RegistryBlock | str | None = None) -> str:
    """A kit's card as Markdown; for a kit of an earlier task also what changed since the one its tag named before.

    Args:
        kit: The kit.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: The kit cannot be read.
    """
    place = find_place(kit, registry)
    with kitops.open(str(place.reference), remote=place.remote, registry=place.options) as opened:
        record, kitfile, pinned = opened.record(), opened.kitfile.to_yaml(), opened.reference
    before = kit.previous_digest if isinstance(kit, ModelKitRef) else ""
    difference = None
    if before and before != record.digest:
        old = str(place.reference.with_digest(before))
        try:
            difference = kitops.diff(old, pinned, remote=place.remote, registry=place.options)
        except NotFoundError:
            difference = None  # it was removed since
    return kit_card(record, kitfile, difference=difference, attached=read_attached(place, record.digest), url=place.url)


def create_modelkit_card(kit: Kit, *, registry: RegistryBlock | str | None = None) -> None:
    """Publish a kit's card, and a link to its repository, as artifacts of the run at hand.

    Args:
        kit: The kit.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: The kit cannot be read.
    """
    place = find_place(kit, registry)
    create_markdown_artifact(
        modelkit_card(kit, registry=registry),
        key=artifact_key("modelkit", place.reference.name),
        description=f"ModelKit {place.reference.name}{f':{place.reference.tag}' if place.reference.tag else ''}",
        _sync=True,  # type: ignore[call-arg]
    )
    if place.url:
        create_link_artifact(
            place.url,
            link_text=place.reference.name,
            key=artifact_key("modelkit-link", place.reference.name),
            description="The repository in its registry",
            _sync=True,  # type: ignore[call-arg]
        )


def publish_card(kit: ModelKitRef, *, registry: RegistryBlock | str | None = None) -> None:
    """Publish the card where there is a run to publish it in; a kit that was pushed does not fail for its card."""
    if TaskRunContext.get() is None and FlowRunContext.get() is None:
        return
    try:
        create_modelkit_card(kit, registry=registry)
    except Exception as error:
        detail = error.message if isinstance(error, KitOpsError) else f"{type(error).__name__}"
        run_logger().warning("%s", f"the card of {kit} was not published: {detail}")


def artifact_key(kind: str, name: str) -> str:
    """A key as Prefect allows them, different for different names."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-_MAX_SLUG:].strip("-")
    return f"{kind}-{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

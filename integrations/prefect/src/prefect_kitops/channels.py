"""Promote and roll back through the engine's channels, as plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kitops_core as kitops
from prefect_kitops.connection import Kit, RegistryBlock, find_place, load_block
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.repository import ModelKitRepository
from prefect_kitops.source import current_source

if TYPE_CHECKING:
    from kitops_core.events import Cancel
    from kitops_core.promotion.result import Promotion


def promote(
    kit: Kit,
    to: str,
    *,
    channels: str = "",
    expect: str = "",
    dry_run: bool = False,
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    cancel: Cancel | None = None,
) -> Promotion:
    """Promote a kit into a channel, by digest, through the channel's gates.

    Args:
        kit: The kit; a channel's name, or an empty string for what is in the channel's upstream now.
        to: The channel.
        channels: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now: a digest, or ``absent``.
        dry_run: Only say what would be done.
        key: The private key that signs the record: a file, PEM text or ``env://NAME``.
        actor: Who promotes.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        cancel: A switch that stops between buffers.

    Raises:
        GateRefusedError: A gate refused; nothing was changed.
        LostRaceError: The channel does not have what was expected.
        KitOpsError: As :func:`kitops_core.promote`.
    """
    block = load_block(registry)
    return kitops.promote(
        _candidate(kit, block),
        to,
        channels=policy_file(channels, block),
        expect=expect,
        dry_run=dry_run,
        key=key,
        actor=actor,
        note=note,
        made_by=current_source(),
        registry=block.get_client() if block else None,
        cancel=cancel,
    )


def rollback(
    channel: str,
    *,
    to: str = "",
    channels: str = "",
    expect: str = "",
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    cancel: Cancel | None = None,
) -> Promotion:
    """Give a channel back the kit it had before.

    Args:
        channel: The channel.
        to: The digest to go back to; by default the one before the present.
        channels: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now.
        key: The private key that signs the record.
        actor: Who rolls back.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is nothing to go back to.
        KitOpsError: As :func:`kitops_core.rollback`.
    """
    block = load_block(registry)
    return kitops.rollback(
        channel,
        to=to,
        channels=policy_file(channels, block),
        expect=expect,
        key=key,
        actor=actor,
        note=note,
        made_by=current_source(),
        registry=block.get_client() if block else None,
        cancel=cancel,
    )


def policy_file(channels: str, block: RegistryBlock | None) -> str:
    """Which promotion policy counts: the one that is named, the repository's, or ``promotion.yaml``."""
    return channels or (block.channels if isinstance(block, ModelKitRepository) else "promotion.yaml")


def in_channel(promotion: Promotion) -> ModelKitRef:
    """The kit of a promotion as the channel has it."""
    kit = ModelKitRef.of(promotion.kit)
    return kit.model_copy(update={"previous_digest": promotion.previous_digest, "changed": promotion.changed})


def _candidate(kit: Kit, block: RegistryBlock | None) -> str:
    text = str(kit)
    # A tag or digest of the repository; a bare name otherwise is a channel's.
    return str(find_place(text, block).reference) if ":" in text or "/" in text else text

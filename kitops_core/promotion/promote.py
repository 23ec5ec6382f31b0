"""Promote and roll back: a digest goes through a channel's gates, the channel's tag moves, and that is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.keys import SigningKey
from kitops_core.kits.find import FoundKit
from kitops_core.promotion.history import channel_history
from kitops_core.promotion.move import Move, Terms
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.result import Promotion
from kitops_core.record import Source
from kitops_core.reference import parse_reference

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def promote(
    reference: str,
    to: str,
    *,
    channels: PromotionPolicy | str | Path = "promotion.yaml",
    expect: str = "",
    dry_run: bool = False,
    key: SigningKey | str | Path | None = None,
    actor: str = "",
    made_by: Source | None = None,
    note: str = "",
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Promotion:
    """Promote a kit into a channel, by digest, through the channel's gates.

    The digest stays the same, and signatures and attestations go along. A promotion that is refused, fails or is
    interrupted leaves the channel's tag as it was. Where the channel has this kit already, nothing is done.

    Args:
        reference: The kit: a reference, the name of a channel, or an empty string for what is in the channel's
            upstream now. A tag is resolved once.
        to: The channel.
        channels: The promotion policy, or the file it is in.
        expect: What the channel must have now: a digest, or ``absent``; anything goes where it is empty.
        dry_run: Only say what would be done, with each gate's evidence and what differs from the channel's kit.
        key: Signs the record.
        actor: Who promotes; by default what :func:`~kitops_core.promotion.actor.current_actor` finds.
        made_by: The pipeline run that promotes, for the record.
        note: A sentence for the record.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        GateRefusedError: A gate refused, or could not be evaluated.
        LostRaceError: The channel does not have what was expected, or another writer moved its tag.
        NotFoundError: There is no such kit or channel.
        InvalidInputError: The policy, the key or an argument cannot be used.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
        CancelledError: The switch was flipped.
    """
    policy = as_policy(channels)
    terms = Terms.given(expect, dry_run, key, actor, made_by, note)
    with Places(store, registry) as places:
        move = Move(policy, to, places, terms, Control(on_event, cancel))
        return move.promote(find_candidate(policy, to, reference, places))


def rollback(
    channel: str,
    *,
    to: str = "",
    channels: PromotionPolicy | str | Path = "promotion.yaml",
    expect: str = "",
    dry_run: bool = False,
    key: SigningKey | str | Path | None = None,
    actor: str = "",
    made_by: Source | None = None,
    note: str = "",
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Promotion:
    """Promote the kit again that a channel had before, and record that as a rollback.

    A second rollback goes one further back. The gates that look at the kit itself are asked again (its signature may no
    longer hold); upstream, soak, approvals, metrics and age are not: the record says the kit was in the channel before.

    Args:
        channel: The channel.
        to: The digest to go back to, which a record says was in the channel; by default the one before the present.
        channels: The promotion policy, or the file it is in.
        expect: What the channel must have now: a digest; anything goes where it is empty.
        dry_run: Only say what would be done.
        key: Signs the record.
        actor: Who rolls back; by default what :func:`~kitops_core.promotion.actor.current_actor` finds.
        made_by: The pipeline run that rolls back, for the record.
        note: A sentence for the record.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is no such channel, or nothing to go back to.
        GateRefusedError, LostRaceError, InvalidInputError, DeniedError, RegistryError, StoreError, CancelledError:
            As for :func:`promote`.
    """
    policy = as_policy(channels)
    terms = Terms.given(expect, dry_run, key, actor, made_by, note)
    with Places(store, registry) as places:
        move = Move(policy, channel, places, terms, Control(on_event, cancel))
        return move.roll_back(channel_history(policy, channel, places, earlier=to), to)


def find_candidate(policy: PromotionPolicy, to: str, reference: str, places: Places) -> FoundKit:
    """The kit to promote, read where its evidence is: in the upstream's repository, if that has it.

    Raises:
        NotFoundError: There is no such kit or channel.
        InvalidInputError: No kit is named, and the channel has no upstream.
    """
    upstream = policy.channel(to).from_
    if not reference and not upstream:
        raise InvalidInputError(f"channel '{to}' has no upstream to take a kit from", hint="name the kit to promote")
    name = reference or upstream
    wanted = policy.target(name) if name in policy.channels else parse_reference(name)
    found = places.find(wanted)
    if found is None:
        if name in policy.channels:
            raise NotFoundError(f"channel '{name}' has no kit: {wanted} does not exist", hint="promote one into it")
        if wanted.is_local_name:
            raise NotFoundError(
                f"there is no channel '{name}', and no kit {wanted} in the local store",
                hint=f"the channels are {', '.join(policy.channels)}; a kit in a registry is named with its registry",
            )
        raise NotFoundError(f"{wanted} does not exist", hint="a promotion moves what is in a registry: push it first")
    if upstream and policy.target(upstream).name != found.reference.name:
        return places.find(policy.target(upstream).with_digest(found.manifest.digest)) or found
    return found

"""Promote and roll back: a digest goes through a channel's gates, the channel's tag moves, and that is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from kitops_core.errors import GateRefusedError, InvalidInputError, NotFoundError
from kitops_core.openlineage.telling import Telling, kit_of, telling
from kitops_core.promotion.move import Move
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.promotion.result import Promotion
from kitops_core.promotion.terms import Terms
from kitops_core.reference import parse_reference
from kitops_core.session import FoundAny, Session


def promote(
    session: Session,
    reference: str,
    to: str,
    *,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
    expect: str = "",
    dry_run: bool = False,
    note: str = "",
) -> Promotion:
    """See :meth:`kitops_core.Client.promote`."""
    loaded = as_policy(policy)
    terms = Terms.given(session, expect, dry_run, note)
    with Places(session) as places:
        return promote_by(session, Move(loaded, to, places, terms, session.control), reference)


def promote_by(session: Session, move: Move, reference: str) -> Promotion:
    """Promote a kit by a move that was prepared; see :meth:`kitops_core.Client.promote`."""

    def work(told: Telling) -> Promotion:
        found, _ = move.begin(
            lambda: find_candidate(move.policy, move.name, reference, move.places), move.reader.read_log
        )
        told.say(inputs=(kit_of(found.reference),))
        return move.promote(found)

    return _told(session, "promote", move, work)


def rollback(
    session: Session,
    channel: str,
    *,
    to: str = "",
    policy: PromotionPolicy | str | Path = "promotion.yaml",
    expect: str = "",
    dry_run: bool = False,
    note: str = "",
) -> Promotion:
    """See :meth:`kitops_core.Client.rollback`."""
    loaded = as_policy(policy)
    terms = Terms.given(session, expect, dry_run, note)
    with Places(session) as places:
        move = Move(loaded, channel, places, terms, session.control)

        def work(told: Telling) -> Promotion:
            (past,) = move.begin(lambda: move.reader.all(earlier=to))
            promotion = move.roll_back(past, to)
            upstream = loaded.channel(channel).from_
            home = loaded.target(upstream) if upstream else parse_reference(loaded.kit)
            told.say(inputs=(kit_of(home.with_digest(promotion.digest)),))
            return promotion

        return _told(session, "rollback", move, work)


def _told(
    session: Session, verb: Literal["promote", "rollback"], move: Move, work: Callable[[Telling], Promotion]
) -> Promotion:
    """Do the work, and tell lineage of it unless it is a dry run, which does nothing."""
    if move.terms.dry_run:
        return work(Telling())
    with telling(session, verb, move.target, move.name) as told:
        try:
            promotion = work(told)
        except GateRefusedError as error:
            if error.promotion is not None:
                told.say(promotion=error.promotion.to_dict())
            raise
        record = replace(
            promotion.kit,
            reference=promotion.reference,
            tags=(move.target.tag, *promotion.tags),
            changed=promotion.changed,
            previous_digest=promotion.previous_digest,
        )
        told.say(record=record, promotion=promotion.to_dict())
    return promotion


def find_candidate(policy: PromotionPolicy, to: str, reference: str, places: Places) -> FoundAny:
    """The kit or index to promote, read where its evidence is: in the upstream's repository, if that has it.

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

"""Promote and roll back, as tasks that a transaction undoes.

Channels, gates, records and the race for a channel's tag are the engine's. Here are the lock that makes flows of one
Prefect wait for each other, the events, and the way back when a later step of a transaction fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.transactions import get_transaction

import kitops_core as kitops
from kitops_core.orchestrate.metadata import promotion_metadata
from prefect_kitops.approval import PromotionSupersededError
from prefect_kitops.connection import Connection, Kit, Registry, connect, place_of
from prefect_kitops.events import What, emit_kit_event
from prefect_kitops.locks import modelkit_lock
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import in_run, run_logger, twins
from prefect_kitops.tasks import pin

if TYPE_CHECKING:
    from prefect.transactions import Transaction

_UNDO = "prefect_kitops.undo"


@dataclass(frozen=True)
class Terms:
    """How a channel is moved.

    Attributes:
        policy: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        actor: Who moves it, where Prefect does not know.
        note: A sentence for the record.
        registry: The blocks of the registries.
    """

    policy: str = ""
    actor: str = ""
    note: str = ""
    registry: Registry = None


@twins("promote-modelkit", "promote to {to}")
def _promote(
    kit: Kit,
    to: str,
    *,
    policy: str = "",
    expect: str = "",
    actor: str = "",
    note: str = "",
    registry: Registry = None,
    latest: bool = False,
) -> ModelKitRef:
    """Promote a kit into a channel, by digest, through the channel's gates.

    In a transaction (``with prefect.transactions.transaction():``) the channel gets back what it had when a later step
    fails.

    Args:
        kit: The kit; a channel's name, or an empty string for what is in the channel's upstream now.
        to: The channel.
        policy: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now: a digest, or ``absent``.
        actor: Who promotes, where Prefect does not know.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``; several where the channels are in
            several registries.
        latest: Promote the kit only while the channel's upstream still has it: of runs that pushes started, in whatever
            order they come to it, none then puts an older kit in the place of a newer one.

    Raises:
        PromotionSupersededError: With ``latest``, the upstream moved on; nothing was changed.
        GateRefusedError: A gate refused; nothing was changed.
        LostRaceError: The channel does not have what was expected.
        KitOpsError: As :meth:`kitops_core.Client.promote`.
    """
    terms = Terms(policy, actor, note, registry)
    with _moving(to, terms) as (connection, client, channels):
        name = candidate(kit, connection)
        named = name and name not in channels.channels  # else what the upstream has at this moment is asked for
        if latest and named and (problem := overtaken(pin(client, kitops.parse_reference(name)), to, client, channels)):
            raise PromotionSupersededError(problem)
        try:
            promotion = client.promote(name, to, policy=channels, expect=expect, note=note)
        except kitops.GateRefusedError as error:
            if error.promotion is not None:
                announce("promotion-refused", error.promotion)
            raise
    transaction = get_transaction()
    if transaction is not None and promotion.changed:
        transaction.set(_UNDO, (promotion, terms))
    return announce("promoted" if promotion.changed else "promotion-unchanged", promotion)


@twins("rollback-modelkit", "roll back {channel}")
def _rollback(
    channel: str,
    *,
    to: str = "",
    policy: str = "",
    expect: str = "",
    actor: str = "",
    note: str = "",
    registry: Registry = None,
) -> ModelKitRef:
    """Give a channel back the kit it had before, and record that.

    Args:
        channel: The channel.
        to: The digest to go back to; by default the one before the present.
        policy: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now.
        actor: Who rolls back, where Prefect does not know.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``; several where the channels are in
            several registries.

    Raises:
        NotFoundError: There is nothing to go back to.
        KitOpsError: As :meth:`kitops_core.Client.rollback`.
    """
    return _roll_back(channel, Terms(policy, actor, note, registry), to=to, expect=expect)


promote_modelkit, apromote_modelkit = _promote
rollback_modelkit, arollback_modelkit = _rollback


@promote_modelkit.on_rollback
@apromote_modelkit.on_rollback
def undo_promotion(transaction: Transaction) -> None:
    """Give a channel back what it had before the transaction's promotion.

    Where the channel was empty there is nothing to give back, and registries seldom remove a single tag: that is said
    in the log, and the kit stays.

    Raises:
        KitOpsError: The channel was moved on since, or the registry failed.
    """
    undo: tuple[kitops.Promotion, Terms] | None = transaction.get(_UNDO, None)
    if undo is None:
        return
    done, terms = undo
    if not done.previous_digest:
        run_logger().warning("%s", f"{done.channel} was empty before and keeps {done.digest}")
        return
    note = "a later step of the transaction failed"
    again = Terms(terms.policy, "", note, terms.registry)
    _roll_back(done.channel, again, to=done.previous_digest, expect=done.digest)


def candidate(kit: Kit, connection: Connection) -> str:
    """What is to be promoted: with a repository a tag or digest of it, or the name of a channel."""
    text = str(kit)
    return str(connection.reference(text)) if ":" in text or "/" in text else text


def announce(what: What, promotion: kitops.Promotion) -> ModelKitRef:
    """Send the event of a promotion, log it, and return the kit in its channel."""
    kit = ModelKitRef.in_channel(promotion)
    emit_kit_event(what, kit, promotion_metadata(promotion), channel=promotion.channel)
    refused = "; ".join(f"{gate.name}: {gate.detail}" for gate in promotion.refused)
    run_logger().info("%s", f"{promotion.channel} {what} {kit}" + (f" ({refused})" if refused else ""))
    return kit


def overtaken(kit: ModelKitRef, to: str, client: kitops.Client, policy: kitops.PromotionPolicy) -> str:
    """What the channel's upstream has instead of a kit, in words; an empty string where it has the kit."""
    upstream = policy.channel(to).from_
    if not upstream:
        return ""
    target = policy.target(upstream)
    try:
        now = client.resolve(str(target), where=place_of(target))
    except kitops.NotFoundError:
        now = "nothing"
    if now == kit.digest:
        return ""
    emit_kit_event("promotion-superseded", kit, {"now": now}, channel=to)
    return f"{upstream} moved on from {kit} to {now}"


def _roll_back(channel: str, terms: Terms, *, to: str, expect: str) -> ModelKitRef:
    with _moving(channel, terms) as (_, client, policy):
        promotion = client.rollback(channel, to=to, policy=policy, expect=expect, note=terms.note)
    return announce("rolled-back" if promotion.changed else "promotion-unchanged", promotion)


@contextmanager
def _moving(channel: str, terms: Terms) -> Iterator[tuple[Connection, kitops.Client, kitops.PromotionPolicy]]:
    """What is needed to move a channel, and in a run the channel's lock: a run waits for another that moves it."""
    connection = connect(terms.registry)
    policy = connection.policy(terms.policy)
    target = str(policy.target(channel))
    with connection.client(actor=terms.actor) as client, modelkit_lock(target) if in_run() else nullcontext():
        yield connection, client, policy

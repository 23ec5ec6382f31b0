"""Promote and roll back, as tasks that a transaction undoes.

Channels, gates, records and the race for a channel's tag are the engine's. Here are the lock that makes flows of one
Prefect wait for each other, the events, and the way back when a later step of a transaction fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.transactions import get_transaction

from kitops_core.errors import GateRefusedError, KitOpsError
from prefect_kitops.channels import in_channel, policy_file, promote, rollback
from prefect_kitops.connection import Kit, RegistryBlock, load_block
from prefect_kitops.events import What, emit_kit_event, slim_promotion
from prefect_kitops.locks import modelkit_lock
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import TASK_OPTIONS, hints, in_thread, run_logger

if TYPE_CHECKING:
    from prefect.transactions import Transaction

    from kitops_core.promotion.result import Promotion

_UNDO = "prefect_kitops.undo"


@task(name="promote-modelkit", task_run_name="promote to {to}", **TASK_OPTIONS)
def promote_modelkit(
    kit: Kit,
    to: str,
    *,
    channels: str = "",
    expect: str = "",
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    lock: bool = True,
) -> ModelKitRef:
    """Promote a kit into a channel, by digest, through the channel's gates.

    In a transaction (``with prefect.transactions.transaction():``) the channel gets back what it had when a later step
    fails.

    Args:
        kit: The kit; a channel's name, or an empty string for what is in the channel's upstream now.
        to: The channel.
        channels: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now: a digest, or ``absent``.
        key: The private key that signs the record: a file, PEM text or ``env://NAME``.
        actor: Who promotes.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        lock: Whether runs that move the same channel wait for each other.

    Raises:
        GateRefusedError: A gate refused; nothing was changed.
        LostRaceError: The channel does not have what was expected.
        KitOpsError: As :func:`kitops_core.promote`.
    """
    terms = {"channels": channels, "key": key, "registry": registry}
    return _promote(kit, to, terms, lock, expect=expect, actor=actor, note=note)


@task(name="promote-modelkit", task_run_name="promote to {to}", **TASK_OPTIONS)
async def apromote_modelkit(
    kit: Kit,
    to: str,
    *,
    channels: str = "",
    expect: str = "",
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    lock: bool = True,
) -> ModelKitRef:
    """As :func:`promote_modelkit`, beside an event loop and in an ``atransaction``."""
    terms = {"channels": channels, "key": key, "registry": registry}
    return await in_thread(
        lambda cancel: _promote(kit, to, terms, lock, expect=expect, actor=actor, note=note, cancel=cancel)
    )


@task(name="rollback-modelkit", task_run_name="roll back {channel}", **TASK_OPTIONS)
def rollback_modelkit(
    channel: str,
    *,
    to: str = "",
    channels: str = "",
    expect: str = "",
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    lock: bool = True,
) -> ModelKitRef:
    """Give a channel back the kit it had before, and record that.

    Args:
        channel: The channel.
        to: The digest to go back to; by default the one before the present.
        channels: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        expect: What the channel must have now.
        key: The private key that signs the record.
        actor: Who rolls back.
        note: A sentence for the record.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        lock: Whether runs that move the same channel wait for each other.

    Raises:
        NotFoundError: There is nothing to go back to.
        KitOpsError: As :func:`kitops_core.rollback`.
    """
    terms = {"channels": channels, "key": key, "registry": registry}
    return _rollback(channel, terms, lock, to=to, expect=expect, actor=actor, note=note)


@task(name="rollback-modelkit", task_run_name="roll back {channel}", **TASK_OPTIONS)
async def arollback_modelkit(
    channel: str,
    *,
    to: str = "",
    channels: str = "",
    expect: str = "",
    key: str | None = None,
    actor: str = "",
    note: str = "",
    registry: RegistryBlock | str | None = None,
    lock: bool = True,
) -> ModelKitRef:
    """As :func:`rollback_modelkit`, beside an event loop."""
    terms = {"channels": channels, "key": key, "registry": registry}
    return await in_thread(
        lambda cancel: _rollback(channel, terms, lock, to=to, expect=expect, actor=actor, note=note, cancel=cancel)
    )


@promote_modelkit.on_rollback
@apromote_modelkit.on_rollback
def undo_promotion(transaction: Transaction) -> None:
    """Give a channel back what it had before the transaction's promotion.

    Where the channel was empty there is nothing to give back, and registries seldom remove a single tag: that is said
    in the log, and the kit stays.

    Raises:
        KitOpsError: The channel was moved on since, or the registry failed.
    """
    undo = transaction.get(_UNDO, None)
    if undo is None:
        return
    if not undo["previous_digest"]:
        run_logger().warning("%s", f"{undo['channel']} was empty before and keeps {undo['digest']}")
        return
    _rollback(
        undo["channel"],
        undo["terms"],
        undo["lock"],
        to=undo["previous_digest"],
        expect=undo["digest"],
        note="a later step of the transaction failed",
    )


def _promote(kit: Kit, to: str, terms: dict[str, Any], lock: bool, **options: Any) -> ModelKitRef:
    with hints(), _locked(to, terms, lock):
        try:
            promotion = promote(kit, to, **terms, **options)
        except GateRefusedError as error:
            if error.promotion is not None:
                announce("promotion-refused", error.promotion)
            raise
    transaction = get_transaction()
    if transaction is not None and promotion.changed:
        transaction.set(
            _UNDO,
            {
                "channel": to,
                "digest": promotion.digest,
                "previous_digest": promotion.previous_digest,
                "terms": terms,
                "lock": lock,
            },
        )
    return announce("promoted", promotion)


def _rollback(channel: str, terms: dict[str, Any], lock: bool, **options: Any) -> ModelKitRef:
    with hints(), _locked(channel, terms, lock):
        promotion = rollback(channel, **terms, **options)
    return announce("rolled-back", promotion)


def announce(what: What, promotion: Promotion) -> ModelKitRef:
    """Send the event of a promotion, log it, and return the kit in its channel."""
    kit = in_channel(promotion)
    emit_kit_event(what, kit, slim_promotion(promotion), channel=promotion.channel)
    refused = "; ".join(f"{gate.name}: {gate.detail}" for gate in promotion.refused)
    run_logger().info("%s", f"{promotion.channel} {what} {kit}" + (f" ({refused})" if refused else ""))
    return kit


@contextmanager
def _locked(channel: str, terms: dict[str, Any], lock: bool) -> Iterator[None]:
    if not lock:
        yield
        return
    from kitops_core.promotion.policy_file import as_policy

    try:
        target = str(as_policy(policy_file(terms["channels"], load_block(terms["registry"]))).target(channel))
    except KitOpsError:
        yield  # the promotion itself says what is wrong
        return
    with modelkit_lock(target):
        yield

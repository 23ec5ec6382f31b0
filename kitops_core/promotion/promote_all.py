"""Promote all: what waits in a channel's upstream, for every channel of every kit of a policy, with one client.

Most kits do not move, so this is what they cost: a look at each of their channels' tags, a list of their repository's
tags, and a list of what is attached to the kit. Where upstream and channel have the same digest, and the channel's last
log tag is of a record on that digest, a promotion would find nothing to do, and is not asked. What gates read of a kit,
the next channel's gates do not read again, until something moves.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kitops_core.errors import CancelledError, GateRefusedError, KitOpsError, RegistryError
from kitops_core.events import Control
from kitops_core.oci.own_tags import Logged, cut, logs_of, short
from kitops_core.parallel import run_all
from kitops_core.promotion.move import Move
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policies
from kitops_core.promotion.promote import promote_by
from kitops_core.promotion.result import Promotion
from kitops_core.promotion.terms import Terms
from kitops_core.reference import Reference
from kitops_core.session import Session

Outcome = Literal["promoted", "unchanged", "empty", "refused", "failed"]


@dataclass(frozen=True)
class ChannelOutcome:
    """What became of one channel of one kit.

    Attributes:
        kit: The kit's repository, as the policy has it.
        channel: The channel.
        outcome: ``promoted`` (with a dry run: would be), ``unchanged``, ``empty`` where the upstream has nothing,
            ``refused`` by a gate, or because the channel was rolled back from this very kit, or ``failed``.
        digest: What the channel has now, or with a dry run would have; empty where it has nothing, or cannot be read.
        reason: Why it was refused or failed.
        exit_code: What `kitops promote` would have ended with.
        promotion: What was done, or with a dry run or after a refusal would have been.
    """

    kit: str
    channel: str
    outcome: Outcome
    digest: str = ""
    reason: str = ""
    exit_code: int = 0
    promotion: Promotion | None = None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {**vars(self), "promotion": self.promotion.to_dict() if self.promotion else None}


@dataclass(frozen=True)
class PromotedAll:
    """What became of all channels of all kits.

    Attributes:
        outcomes: One for each channel that has an upstream: the kits in the policy's order, upstreams first.
        dry_run: Whether nothing was to be done.
    """

    outcomes: tuple[ChannelOutcome, ...]
    dry_run: bool = False

    def having(self, outcome: Outcome) -> tuple[ChannelOutcome, ...]:
        """The channels of which this became."""
        return tuple(one for one in self.outcomes if one.outcome == outcome)

    @property
    def exit_code(self) -> int:
        """That of the first that failed; else 9 where a gate refused something; else 0."""
        wrong = (*self.having("failed"), *self.having("refused"))
        return wrong[0].exit_code if wrong else 0

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {"dry_run": self.dry_run, "outcomes": [one.to_dict() for one in self.outcomes]}


def promote_all(
    session: Session,
    policy: PromotionPolicy | str | Path = "promotion.yaml",
    *,
    to: Sequence[str] = (),
    dry_run: bool = False,
    note: str = "",
) -> PromotedAll:
    """See :meth:`kitops_core.Client.promote_all`."""
    policies = as_policies(policy)
    for name in to:
        policies[0].channel(name)
    away, terms = _Away(), Terms.given(session, "", dry_run, note, unasked=True)
    kits = [_Kit(session, one, to, away, terms) for one in policies]
    found = run_all([kit.promote for kit in kits], session.control)
    return PromotedAll(tuple(one for outcomes in found for one in outcomes), dry_run)


class _Away:
    """Registries that did not answer for as long as one waits for them: they are not waited for once more."""

    def __init__(self) -> None:
        self._errors: dict[str, RegistryError] = {}
        self._lock = threading.Lock()

    def check(self, registry: str) -> None:
        with self._lock:
            if registry in self._errors:
                raise self._errors[registry]

    def learn(self, registry: str, error: KitOpsError) -> None:
        if isinstance(error, RegistryError) and error.status is None:
            with self._lock:
                self._errors.setdefault(registry, error)


class _Kit:
    """One kit and its channels."""

    def __init__(self, session: Session, policy: PromotionPolicy, to: Sequence[str], away: _Away, terms: Terms) -> None:
        self._session = session
        self._policy = policy
        self._to = to
        self._away = away
        self._terms = terms
        self._digests: dict[str, str | KitOpsError] = {}
        self._logs: dict[str, dict[str, list[Logged]]] = {}

    def promote(self, control: Control) -> list[ChannelOutcome]:
        """Promote into each channel what its upstream has, upstreams first."""
        wanted = [name for name in in_order(self._policy) if not self._to or name in self._to]
        looked_at = [*dict.fromkeys(name for each in wanted for name in (self._policy.channels[each].from_, each))]
        with Places(self._session) as places:
            found = run_all([partial(self._look, places, name) for name in looked_at], control)
            self._digests = dict(zip(looked_at, found, strict=True))
            return [self._channel(places, name, control) for name in wanted]

    def _look(self, places: Places, name: str, control: Control) -> str | KitOpsError:
        """What a channel's tag has now, or why that cannot be said."""
        control.check()
        target = self._policy.target(name)
        try:
            self._away.check(target.registry)
            return places.digest(target)
        except CancelledError:
            raise
        except KitOpsError as error:
            self._away.learn(target.registry, error)
            return error

    def _channel(self, places: Places, name: str, control: Control) -> ChannelOutcome:
        control.check()
        upstream = self._policy.channels[name].from_
        before, coming = self._digests[name], self._digests[upstream]
        outcome = partial(ChannelOutcome, self._policy.kit, name)
        if isinstance(before, KitOpsError):
            return outcome("failed", "", before.message, before.exit_code)
        if isinstance(coming, KitOpsError):
            return outcome("failed", before, coming.message, coming.exit_code)
        if not coming:
            return outcome("empty", before)
        try:
            target = self._policy.target(name)
            if before == coming and self._is_recorded(places, target, before):
                return outcome("unchanged", before)
            move = Move(self._policy, name, places, self._terms, self._session.control)
            done = promote_by(self._session, move, str(self._policy.target(upstream).with_digest(coming)))
        except CancelledError:
            raise
        except GateRefusedError as error:
            reason = _reasons(error.promotion) if error.promotion else error.message
            return outcome("refused", before, reason, error.exit_code, error.promotion)
        except KitOpsError as error:
            places.forget()  # it may have moved all the same
            return outcome("failed", before, error.message, error.exit_code)
        if done.refused:
            return outcome("refused", before, _reasons(done), GateRefusedError.exit_code, done)
        if not done.record and before == done.digest:
            return outcome("unchanged", done.digest)
        if not done.dry_run:
            self._digests[name] = done.digest
            places.forget()
        return outcome("promoted", done.digest, promotion=done)

    def _is_recorded(self, places: Places, target: Reference, digest: str) -> bool:
        """Whether the last move of the tag that the log knows has its record on this digest."""
        storage = places.storage(target)
        if storage.name not in self._logs:
            self._logs[storage.name] = logs_of(storage.own_tags())
        found = self._logs[storage.name].get(cut(target.target), ())
        if not found:
            return False
        last = max(one.number for one in found)
        attached = places.readings.reader(storage, digest, self._session.control).get().referrers
        shorts = {short(one.digest) for one in attached}
        return any(one.short in shorts for one in found if one.number == last)


def in_order(policy: PromotionPolicy) -> list[str]:
    """The channels that have an upstream, each after its own."""
    ordered: list[str] = []

    def put(name: str) -> None:
        upstream = policy.channels[name].from_
        if upstream and name not in ordered:
            put(upstream)
            ordered.append(name)

    for name in policy.channels:
        put(name)
    return ordered


def _reasons(promotion: Promotion) -> str:
    return "; ".join(f"{gate.name} ({gate.detail})" if gate.detail else gate.name for gate in promotion.refused)

"""The channels of promotion policies: what each has since when and by whom, and what waits before it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.catalogs.snapshot import SnapshotSession
from kitops_core.errors import CancelledError, DeniedError, InvalidInputError, KitOpsError
from kitops_core.promotion.channels import ChannelState, channels
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.variants import evaluate_all
from kitops_core.promotion.history import channel_history
from kitops_core.promotion.places import Places
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.promote import find_candidate
from kitops_core.promotion.records import PromotionRecord
from kitops_core.reference import Reference

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey


@dataclass(frozen=True)
class ChannelView:
    """A channel.

    Attributes:
        state: What it has.
        target: Its repository and tag.
        history: The moves that led there, the last first.
        gates: What the gates say of the kit that waits in its upstream; empty where none waits.
        not_asked: The gates that run a command, which a catalogue does not.
        problem: Why the gates could not be asked.
    """

    state: ChannelState
    target: Reference
    history: tuple[PromotionRecord, ...]
    gates: tuple[GateResult, ...] = ()
    not_asked: tuple[str, ...] = ()
    problem: str = ""

    @property
    def refused(self) -> tuple[GateResult, ...]:
        """The gates that do not let the waiting kit in."""
        return tuple(gate for gate in self.gates if not gate.passed)


@dataclass(frozen=True)
class Board:
    """The channels of one policy.

    Attributes:
        kit: The policy's kit: ``registry/repository``.
        channels: Its channels, in the policy's order.
        problem: Why they could not be read.
        denied: Whether a registry refused.
    """

    kit: str
    channels: tuple[ChannelView, ...] = ()
    problem: str = ""
    denied: bool = False


def check_policies(policies: Sequence[PromotionPolicy]) -> None:
    """See that policies are about kits in registries, each about another.

    Raises:
        InvalidInputError: One is not.
    """
    seen: set[str] = set()
    for policy in policies:
        for name in policy.channels:
            target = policy.target(name)
            if not target.in_registry:
                raise InvalidInputError(
                    f"the channel '{name}' of {policy.kit} is {target}, and a catalogue is of registries",
                    hint="leave that policy out, or write the registry's host first",
                )
        if policy.kit in seen:
            raise InvalidInputError(f"two policies are about {policy.kit}", hint="give one of them")
        seen.add(policy.kit)


def homes_of(policies: Sequence[PromotionPolicy]) -> list[Reference]:
    """The repositories that the channels of policies are in."""
    targets = [policy.target(name) for policy in policies for name in policy.channels]
    return [*{target.name: Reference(target.registry, target.repository) for target in targets}.values()]


def keys_of(policies: Sequence[PromotionPolicy], further: Sequence[PublicKey]) -> list[PublicKey]:
    """Every key that somebody names, each once: those given, of policies those under trust, of gates and approvers.

    Raises:
        InvalidInputError: One cannot be read.
    """
    keys = [*further]
    for policy in policies:
        keys += policy.trusted
        for channel in policy.channels.values():
            for gate in channel.gates:
                for keyed in (gate.signed, gate.provenance, gate.metric):
                    keys += policy.keys(keyed.key_names) if keyed is not None else ()
            keys += policy.keys(channel.approvals.keys) if channel.approvals is not None else ()
    return [*{key.der: key for key in reversed(keys)}.values()][::-1]


def read_board(session: SnapshotSession, policy: PromotionPolicy) -> Board:
    """The channels of a policy as they are now."""
    try:
        states = channels(session, policy)
        with Places(session) as places:
            views = tuple(_view(session, policy, state, places) for state in states)
    except CancelledError:
        raise
    except KitOpsError as error:
        return Board(policy.kit, problem=error.message, denied=isinstance(error, DeniedError))
    return Board(policy.kit, views)


def _view(session: SnapshotSession, policy: PromotionPolicy, state: ChannelState, places: Places) -> ChannelView:
    target = policy.target(state.name)
    history: tuple[PromotionRecord, ...] = ()
    if state.upstream:
        history = channel_history(policy, state.name, places).records
    if not state.waiting:
        return ChannelView(state, target, history)
    gates = gates_of(policy, state.name)
    asked = [gate for gate in gates if gate.kind != "command"]
    not_asked = tuple(gate.name for gate in gates if gate.kind == "command")
    results: tuple[GateResult, ...] = ()
    problem = ""
    try:
        found = find_candidate(policy, state.name, "", places)
        candidate = Candidate(
            found,
            state.name,
            policy,
            open_channel=lambda name: places.find(policy.target(name)),
            control=session.control,
        )
        results = tuple(evaluate_all(asked, candidate))
    except CancelledError:
        raise
    except KitOpsError as error:
        problem = error.message
    return ChannelView(state, target, history, results, not_asked, problem)

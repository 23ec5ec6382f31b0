"""The gates that a channel of ``promotion.yaml`` asks for, in the order they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_core.promotion.gates.gate import Gate

if TYPE_CHECKING:
    from kitops_core.promotion.gate_models import GateModel
    from kitops_core.promotion.policy import PromotionPolicy


def gates_of(policy: PromotionPolicy, channel: str) -> list[Gate]:
    """The gates of a channel: its upstream first, then those it lists, soak and approvals last.

    Raises:
        NotFoundError: There is no such channel.
    """
    # Imported as they are asked for: a channel has two or three of eight kinds.
    from kitops_core.promotion.gates.signed import ApprovalsGate
    from kitops_core.promotion.gates.upstream import SoakGate, UpstreamGate

    spec = policy.channel(channel)
    gates: list[Gate] = [UpstreamGate(spec.from_, policy)] if spec.from_ else []
    gates += [_gate(model, policy) for model in spec.gates]
    if spec.soak is not None:
        gates.append(SoakGate(spec.soak, spec.from_, policy))
    if spec.approvals is not None:
        gates.append(ApprovalsGate(spec.approvals, policy))
    return gates


def _gate(model: GateModel, policy: PromotionPolicy) -> Gate:
    if model.signed is not None:
        from kitops_core.promotion.gates.signed import SignedGate

        return SignedGate(model.signed, policy)
    if model.provenance is not None:
        from kitops_core.promotion.gates.built import ProvenanceGate

        return ProvenanceGate(model.provenance, policy)
    if model.age is not None:
        from kitops_core.promotion.gates.built import AgeGate

        return AgeGate(model.age, policy)
    if model.metric is not None:
        from kitops_core.promotion.gates.metric import MetricGate

        return MetricGate(model.metric, policy)
    if model.command is not None:
        from kitops_core.promotion.gates.command import CommandGate

        return CommandGate(model.command, policy)
    from kitops_core.promotion.gates.contents import LicenseGate, MaxSizeGate, RequiredGate

    if model.license is not None:
        return LicenseGate(model.license)
    if model.required is not None:
        return RequiredGate(tuple(model.required))
    return MaxSizeGate(model.max_size or 0)

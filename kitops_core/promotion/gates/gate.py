"""What a gate is, and the two answers it can give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate


class Gate(Protocol):
    """One condition. Every gate of a channel is asked, also after another one refused."""

    @property
    def kind(self) -> str:
        """The gate's kind, as ``promotion.yaml`` calls it."""

    @property
    def name(self) -> str:
        """What it asks for, in one line; shown where it cannot be evaluated."""

    def check(self, candidate: Candidate) -> GateResult:
        """Look at the evidence.

        Raises:
            KitOpsError: The evidence cannot be read. Whoever asks takes that as a refusal.
        """


def passed(gate: Gate, detail: str = "", *, name: str = "", evidence: Sequence[str] = ()) -> GateResult:
    """The result of a gate that lets the candidate through; ``name`` where what was found belongs into it."""
    return GateResult(name or gate.name, True, detail, gate.kind, tuple(evidence))


def refused(gate: Gate, detail: str, *, evidence: Sequence[str] = ()) -> GateResult:
    """The result of a gate that refuses, and why."""
    return GateResult(gate.name, False, detail, gate.kind, tuple(evidence))

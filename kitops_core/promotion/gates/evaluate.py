"""Ask every gate of a channel."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.errors import CancelledError, KitOpsError
from kitops_core.evidence.measured import NoEvidenceError
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.gate import Gate, refused


def evaluate(gates: Sequence[Gate], candidate: Candidate) -> list[GateResult]:
    """Ask every gate, also after one refused. A gate that cannot be evaluated refuses and says why.

    Raises:
        CancelledError: The caller asked to stop.
    """
    return [_ask(gate, candidate) for gate in gates]


def _ask(gate: Gate, candidate: Candidate) -> GateResult:
    candidate.control.check()
    try:
        return gate.check(candidate)
    except CancelledError:
        raise
    except NoEvidenceError as error:
        return refused(gate, error.message)
    except KitOpsError as error:
        return refused(gate, f"cannot be evaluated: {error.message}")
    except Exception as error:  # a gate that breaks must not let a kit through, nor hide what the others say
        return refused(gate, f"cannot be evaluated: {type(error).__name__}: {error}")

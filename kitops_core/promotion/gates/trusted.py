"""Which of the statements attached to a kit count: of the right type, about this kit, signed by whom they must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kitops_core.evidence.counted import counted
from kitops_core.evidence.measured import NoEvidenceError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE, TEST_RESULT, predicate_name

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence
    from kitops_core.promotion.gate_models import Keyed
    from kitops_core.promotion.policy import PromotionPolicy
    from kitops_core.signing.keys import PublicKey

_WORDS = {SLSA_PROVENANCE: "provenance", TEST_RESULT: "test result"}


def keys_of(policy: PromotionPolicy, gate: Keyed) -> tuple[PublicKey, ...]:
    """The keys whose statements count for a gate: its own, else those under trust; empty where everyone's count.

    Raises:
        InvalidInputError: A key cannot be read.
    """
    return policy.keys(gate.key_names) or policy.trusted


def required(
    evidence: Sequence[Evidence], digest: str, predicate_type: str, keys: Sequence[PublicKey]
) -> list[Evidence]:
    """The statements that count, of which there is at least one.

    Raises:
        NoEvidenceError: There is none; says what there is instead.
    """
    found = counted(evidence, digest, predicate_type, keys)
    if not found:
        raise NoEvidenceError(shortfall(evidence, predicate_type, keys))
    return found


def shortfall(evidence: Sequence[Evidence], predicate_type: str, keys: Sequence[PublicKey]) -> str:
    """Why no statement of a type counts, in one line."""
    what = _WORDS.get(predicate_type) or predicate_name(predicate_type)
    others = sum(item.predicate_type == predicate_type and not item.problem for item in evidence)
    problems = [item.problem for item in evidence if item.problem]
    whose = f" signed by {' or '.join(key.name for key in keys)}" if keys else ""
    parts = [f"no {what}{whose} is attached"]
    if others:
        parts.append(
            f"{others} {'is' if others == 1 else 'are'} there that {'does' if others == 1 else 'do'} not count"
        )
    if problems:
        parts.append(f"{len(problems)} cannot be read ({problems[0]})")
    return "; ".join(parts)

"""What became of one gate, as results show it and records keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kitops_core.evidence.secrets import redact_text
from kitops_core.wording import printable

MAX_LINE = 240
"""Characters of a name or a detail; statements and commands of others may say as much as they like."""


@dataclass(frozen=True)
class GateResult:
    """What became of one gate. Name and detail are single lines, safe to show on a terminal and to keep in a record.

    Attributes:
        name: One line for people: ``signed by release.pub``, ``accuracy 0.941 ≥ 0.90, prod has 0.938``.
        passed: Whether the gate let the candidate through.
        detail: What was found, or why the gate refuses; one line, may be empty where the name says it all.
        kind: The gate's kind: ``signed``, ``metric``, ``soak`` ...
        evidence: Digests of the referrers it rests on.
    """

    name: str
    passed: bool
    detail: str = ""
    kind: str = ""
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _line(self.name))
        object.__setattr__(self, "detail", _line(self.detail))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as a record of a promotion keeps it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "passed": self.passed,
            "detail": self.detail,
            "evidence": list(self.evidence),
        }


def _line(text: str) -> str:
    shown = printable(" ".join(redact_text(text[: 8 * MAX_LINE]).split()))
    return shown if len(shown) <= MAX_LINE else shown[: MAX_LINE - 1] + "…"

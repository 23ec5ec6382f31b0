"""Which of the statements attached to a kit count."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.evidence.statements import Evidence
from kitops_core.signing.keys import PublicKey


def counted(
    evidence: Sequence[Evidence], digest: str, predicate_type: str, keys: Sequence[PublicKey]
) -> list[Evidence]:
    """The statements of a type about ``digest`` that count. Without keys, unsigned ones do as well."""
    return [
        item
        for item in evidence
        if item.predicate_type == predicate_type
        and not item.problem
        and item.subject == digest
        and item.statement is not None
        and item.statement.about(digest)
        and (not keys or item.verified_by(keys) is not None)
    ]

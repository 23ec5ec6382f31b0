"""What is attached to a kit, for people to read."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from prefect_kitops.connection import Place


class Attached(NamedTuple):
    """What is attached to a kit. Nothing of it is verified: gates and ``verify_modelkit`` do that.

    Attributes:
        rows: Kind, digest and ``signed`` or an empty string, of each.
        metrics: Figures of the newest test result that has each.
    """

    rows: tuple[tuple[str, str, str], ...]
    metrics: dict[str, float]


def read_attached(place: Place, digest: str) -> Attached:
    """Everything attached to one digest.

    Raises:
        KitOpsError: The registry refused or failed.
    """
    from kitops_core.evidence.metrics import read_metrics
    from kitops_core.evidence.predicate_types import TEST_RESULT, predicate_name
    from kitops_core.evidence.statements import read_evidence
    from kitops_core.kits.find import open_storage

    storage = open_storage(place.reference, remote=place.remote, registry=place.options)
    with closing(storage):
        found = sorted(read_evidence(storage, digest), key=lambda evidence: evidence.created)
    metrics: dict[str, float] = {}
    for evidence in found:
        if evidence.predicate_type == TEST_RESULT and evidence.statement is not None:
            metrics.update(read_metrics(evidence.statement.predicate))
    rows = tuple(
        (
            predicate_name(evidence.predicate_type) if evidence.predicate_type else evidence.artifact_type,
            evidence.digest,
            "signed" if evidence.bundle is not None else "",
        )
        for evidence in found
    )
    return Attached(rows, metrics)

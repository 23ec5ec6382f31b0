"""Say later what a kit measures: figures attached to it as a test result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from kitops_core.evidence.attach import Attached
from kitops_core.evidence.pack_evidence import attach_new
from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.reference import Where
from kitops_core.session import Session


def attest_metrics(
    session: Session,
    reference: str,
    metrics: Mapping[str, float],
    *,
    time: datetime | None = None,
    url: str = "",
    where: Where = "any",
) -> Attached:
    """See :meth:`kitops_core.Client.attest_metrics`."""
    from kitops_core.evidence.metrics import metrics_predicate, says_metrics

    predicate = metrics_predicate(metrics, time=time, url=url)
    found = session.find_subject(reference, where)
    with closing(found.storage):
        evidence = attach_new(
            found.storage,
            found.manifest.descriptor,
            TEST_RESULT,
            predicate,
            says_metrics,
            key=session.signer,
            created=time,
            control=session.control,
        )
    return Attached(str(found.reference), evidence.digest, evidence.artifact_type, TEST_RESULT, found.where)

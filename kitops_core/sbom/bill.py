"""A kit's bill of materials: CycloneDX 1.6, with the model card that machine learning needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.evidence.pack_evidence import attach_new
from kitops_core.evidence.predicate_types import CYCLONEDX, SLSA_PROVENANCE, TEST_RESULT
from kitops_core.kits.stored_kit import read_kit
from kitops_core.reference import Where
from kitops_core.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitops_core.evidence.statements import Evidence
    from kitops_core.signing.keys import PublicKey

BOM_ARTIFACT = "application/vnd.cyclonedx+json"
"""Media type of CycloneDX in JSON, and the artifact type of one that is attached unsigned."""


def bom(
    session: Session,
    reference: str,
    *,
    attach: bool = False,
    keys: Sequence[PublicKey | str | Path] = (),
    where: Where = "any",
) -> dict[str, Any]:
    """See :meth:`kitops_core.Client.bom`."""
    from kitops_core.evidence.statements import attach_blob, read_evidence
    from kitops_core.sbom.cyclonedx import build_bom
    from kitops_core.signing.keys import PublicKey

    signing = session.signer if attach else None
    trusted = [item if isinstance(item, PublicKey) else PublicKey.load(item) for item in keys]
    if signing is not None:
        trusted.append(signing.public)
    control = session.control
    found = session.find_subject_kit(reference, where)
    try:
        evidence = _trusted(read_evidence(found.storage, found.manifest.digest, control=control), trusted)
        kit = read_kit(found.storage, found.manifest, control)
        data = build_bom(kit, found.reference, *_said(evidence))
        subject = found.manifest.descriptor
        if attach and signing is not None:
            attach_new(found.storage, subject, CYCLONEDX, data, _find_equal, key=signing, control=control)
        elif attach:
            attach_blob(found.storage, subject, bom_bytes(data), artifact_type=BOM_ARTIFACT, control=control)
    finally:
        found.storage.close()
    return data


def bom_bytes(data: Mapping[str, Any]) -> bytes:
    """A bill of materials as it is written: the same bytes for the same content."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _trusted(evidence: Sequence[Evidence], keys: Sequence[PublicKey]) -> list[Evidence]:
    return [
        item
        for item in evidence
        if item.statement is not None
        and item.statement.about(item.subject)
        and (not keys or item.verified_by(keys) is not None)
    ]


def _said(evidence: Sequence[Evidence]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The predicates of provenance and of test results."""
    kinds: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = ([], [])
    for item in sorted(evidence, key=lambda item: item.digest):
        if item.statement is not None and item.predicate_type in (SLSA_PROVENANCE, TEST_RESULT):
            kinds[item.predicate_type == TEST_RESULT].append(item.statement.predicate)
    return kinds


def _find_equal(there: Sequence[Mapping[str, Any]], new: Mapping[str, Any]) -> int | None:
    return next((index for index, old in enumerate(there) if old == new), None)

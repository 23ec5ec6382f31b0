"""A kit's bill of materials: CycloneDX 1.6, with the model card that machine learning needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.pack_evidence import attach_new, load_key
from kitops_core.evidence.predicate_types import CYCLONEDX, SLSA_PROVENANCE, TEST_RESULT
from kitops_core.kits.find import find_kit
from kitops_core.kits.stored_kit import read_kit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitops_core.evidence.keys import PublicKey, SigningKey
    from kitops_core.evidence.statements import Evidence
    from kitops_core.storage.registry import RegistryOptions

BOM_ARTIFACT = "application/vnd.cyclonedx+json"
"""Media type of CycloneDX in JSON, and the artifact type of one that is attached unsigned."""


def bom(
    reference: str,
    *,
    attach: bool = False,
    key: SigningKey | str | Path | None = None,
    keys: Sequence[PublicKey | str | Path] = (),
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> dict[str, Any]:
    """The bill of materials of a kit: CycloneDX 1.6 as JSON data. The same kit and evidence give the same bill.

    It has the kit as a machine-learning model with a model card, its files and datasets, and the kits and data it was
    made from. Metrics and inputs come from the statements attached to it. Where a key signs the bill, or keys are
    given, only statements that one of them verifies count: a signed bill must not vouch for what anybody attached.

    Args:
        reference: The kit.
        attach: Attach it to the kit, whose digest stays the same.
        key: Sign what is attached, as an attestation; a private key, or where to load it from.
        keys: Public keys whose statements count.
        remote: ``True`` reads the kit from the registry, ``False`` from the local store.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidInputError: A key cannot be used.
        NotFoundError: There is no such kit.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    from kitops_core.evidence.keys import PublicKey
    from kitops_core.evidence.statements import attach_blob, read_evidence
    from kitops_core.sbom.cyclonedx import build_bom

    signing = load_key(key)
    trusted = [item if isinstance(item, PublicKey) else PublicKey.load(item) for item in keys]
    if signing is not None:
        trusted.append(signing.public)
    control = Control(on_event, cancel)
    found = find_kit(reference, remote=remote, store=store, registry=registry)
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

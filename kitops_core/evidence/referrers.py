"""Referrers: what is attached to a kit, and to that, as a tree."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.events import Cancel, Control
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.kits.find import find_kit
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions

MAX_DEPTH = 5
"""How deep a tree is read: a signature of an attestation of a kit is two levels."""


@dataclass(frozen=True)
class Referrer:
    """Something attached to a manifest. Nothing of it is verified.

    Attributes:
        digest: Digest of the referrer's manifest.
        artifact_type: Its artifact type.
        predicate_type: The predicate type of its statement, or an empty string.
        signed_by: The hint at the key it says it is signed by, ``certificate`` for a keyless signature, or an empty
            string where it is unsigned.
        title: The file name of what is attached, or an empty string.
        created: When it was made as it says itself (RFC 3339), or an empty string.
        size: Bytes of its layers.
        problem: Why it could not be read, or an empty string.
        referrers: What is attached to it in turn.
    """

    digest: str
    artifact_type: str
    predicate_type: str = ""
    signed_by: str = ""
    title: str = ""
    created: str = ""
    size: int = 0
    problem: str = ""
    referrers: tuple[Referrer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The referrer and those below it as JSON."""
        return {**vars(self), "referrers": [referrer.to_dict() for referrer in self.referrers]}


@dataclass(frozen=True)
class Referrers:
    """What is attached to a kit.

    Attributes:
        reference: The kit, pinned to its digest.
        storage: Which storage it is in: ``registry``, ``local store`` or ``layout``.
        referrers: What is attached to it.
    """

    reference: str
    storage: str
    referrers: tuple[Referrer, ...]

    def to_dict(self) -> dict[str, Any]:
        """The tree as JSON."""
        return {**vars(self), "referrers": [referrer.to_dict() for referrer in self.referrers]}


def referrers(
    reference: str,
    *,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    cancel: Cancel | None = None,
) -> Referrers:
    """What is attached to a kit: signatures, attestations, files, and what is attached to those.

    Args:
        reference: The kit. A tag is resolved once.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        cancel: A switch that stops between requests.

    Raises:
        NotFoundError: There is no such kit.
        IntegrityError: There are too many referrers.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        tree = _tree(found.storage, found.manifest.digest, Control(cancel=cancel), MAX_DEPTH)
    return Referrers(str(found.reference), found.where, tree)


def _tree(storage: Storage, digest: str, control: Control, depth: int) -> tuple[Referrer, ...]:
    control.check()
    found = sorted(read_evidence(storage, digest, control=control), key=lambda evidence: evidence.created)
    return tuple(
        _referrer(evidence, _tree(storage, evidence.digest, control, depth - 1) if _has_below(evidence, depth) else ())
        for evidence in found
    )


def _has_below(evidence: Evidence, depth: int) -> bool:
    return depth > 1 and not evidence.problem


def _referrer(evidence: Evidence, below: tuple[Referrer, ...]) -> Referrer:
    signed_by = ""
    if evidence.bundle is not None:
        signed_by = "certificate" if evidence.bundle.certificate else evidence.bundle.hint or "unnamed key"
    return Referrer(
        digest=evidence.digest,
        artifact_type=evidence.artifact_type,
        predicate_type=evidence.predicate_type,
        signed_by=signed_by,
        title=evidence.title,
        created=evidence.created,
        size=evidence.size,
        problem=evidence.problem,
        referrers=below,
    )

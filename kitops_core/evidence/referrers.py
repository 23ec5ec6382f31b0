"""Referrers: what is attached to a kit, and to that, as a tree."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_core.events import Control
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.reference import Where
from kitops_core.session import Session
from kitops_core.storage import Storage

if TYPE_CHECKING:
    pass

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
    session: Session,
    reference: str,
    *,
    where: Where = "any",
) -> Referrers:
    """See :meth:`kitops_core.Client.referrers`."""
    found = session.find_subject(reference, where)
    with closing(found.storage):
        tree = _tree(found.storage, found.manifest.digest, session.control, MAX_DEPTH)
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

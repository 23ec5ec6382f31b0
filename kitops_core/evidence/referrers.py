"""Referrers: what is attached to a kit, and to that, as a tree."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kitops_core.events import Control
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.reference import Where
from kitops_core.session import Session
from kitops_core.storage import Storage
from kitops_core.storage.limits import check_referrers


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
        tree = _Tree(found.storage, session.control).below(found.manifest.digest)
    return Referrers(str(found.reference), found.where, tree)


class _Tree:
    """Reads what is attached to a manifest, and to that in turn."""

    def __init__(self, storage: Storage, control: Control) -> None:
        self._storage = storage
        self._control = control
        self._number = 0

    def below(self, digest: str, depth: int = 0) -> tuple[Referrer, ...]:
        """What is attached to a manifest that is ``depth`` levels deep itself, the oldest first."""
        self._control.check()
        found = read_evidence(self._storage, digest, control=self._control)
        self._number += len(found)
        check_referrers(f"{self._storage.name}@{digest}", self._number, depth + 1 if found else 0)
        return tuple(
            _referrer(evidence, self.below(evidence.digest, depth + 1) if not evidence.problem else ())
            for evidence in sorted(found, key=lambda evidence: evidence.created)
        )


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

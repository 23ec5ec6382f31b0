"""Whether a manifest is signed by whom it should be, and whether what was signed says what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kitops_core.errors import InvalidInputError, VerificationError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import COSIGN_SIGN, TEST_RESULT, VSA, predicate_name
from kitops_core.evidence.statement import Statement
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.signing.keys import PublicKey
from kitops_core.storage import Storage

_RESULT_FIELDS = {VSA: "verificationResult", TEST_RESULT: "result"}


@dataclass(frozen=True)
class VerificationPolicy:
    """What must be attached to a manifest for it to be trusted.

    Attributes:
        keys: Keys of which any may have signed.
        identity: Instead of a key: the identity in a keyless signer's certificate, a mail address or a URI.
        issuer: Who vouched for ``identity``: the OpenID Connect issuer's URL.
        trust_root: The trust root (``trusted_root.json``) that keyless signatures are checked against.
        predicate_type: What must be signed: a signature, or an attestation of this predicate type.
        needed: How many different signers there must be.
    """

    keys: tuple[PublicKey, ...] = ()
    identity: str = ""
    issuer: str = ""
    trust_root: Path | None = None
    predicate_type: str = COSIGN_SIGN
    needed: int = 1

    def __post_init__(self) -> None:
        keyless = (self.identity, self.issuer, self.trust_root)
        if bool(self.keys) == any(keyless):
            raise InvalidInputError(
                "verification needs a key, or an identity with its issuer and a trust root",
                hint="give either, not both" if self.keys else "name who must have signed",
            )
        if any(keyless) and not all(keyless):
            raise InvalidInputError("verification by identity needs the identity, its issuer and a trust root")
        signers = len(set(self.keys)) or 1
        if not 1 <= self.needed <= signers:
            raise InvalidInputError(f"{self.needed} signers are needed, and {signers} could have signed")


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        digest: The manifest's digest.
        signers: Names of the keys, or the identities, that signed.
        evidence: Digests of the referrers that count.
        reference: The kit, pinned to the digest, where it was found by a reference.
        storage: Which storage that was in: ``registry``, ``local store`` or ``layout``.
    """

    digest: str
    signers: tuple[str, ...]
    evidence: tuple[str, ...]
    reference: str = ""
    storage: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {**vars(self), "signers": [*self.signers], "evidence": [*self.evidence]}


def verdict(statement: Statement) -> Literal["", "passed", "failed"]:
    """What a statement about a check says came of it; an empty string for statements about anything else.

    Only ``PASSED`` is passed: a result that is missing, or one such as ``WARNED``, counts as failed.
    """
    name = _RESULT_FIELDS.get(statement.predicate_type)
    if name is None:
        return ""
    return "passed" if statement.predicate.get(name) == "PASSED" else "failed"


def check(storage: Storage, digest: str, policy: VerificationPolicy, control: Control | None = None) -> Verified:
    """Verify one manifest: predicate type, subject and content of what is signed must all match.

    A trusted signer's statement that says ``FAILED`` refuses, whatever others say.

    Args:
        storage: Where the manifest is.
        digest: Its digest.
        policy: What must be attached.
        control: Cancelling.

    Raises:
        VerificationError: It is not verified; the message says what was found instead.
        InvalidInputError: Keyless verification is asked for, and the ``sigstore`` extra or the trust root is missing.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    signer_of = _signer_of(policy)
    found = read_evidence(storage, digest, predicate_type=policy.predicate_type, control=control)
    where, what = f"{storage.name}@{digest}", predicate_name(policy.predicate_type)
    signed: dict[str, list[Evidence]] = {}
    names: dict[str, str] = {}
    for evidence in found:
        if evidence.predicate_type == policy.predicate_type and (signer := signer_of(evidence)) is not None:
            identity, name = signer
            signed.setdefault(identity, []).append(evidence)
            names[identity] = name
    counted = [evidence for group in signed.values() for evidence in group]
    for evidence in counted:
        if evidence.statement and verdict(evidence.statement) == "failed":
            raise VerificationError(
                f"{where}: its {what} {evidence.digest} is signed, and does not say PASSED",
                hint="if it is out of date, remove it from the registry by its digest",
            )
    if len(signed) < policy.needed:
        raise VerificationError(f"{where} is not verified: {_shortfall(found, len(signed), policy, what)}")
    return Verified(digest, tuple(names.values()), tuple(evidence.digest for evidence in counted))


def _signer_of(policy: VerificationPolicy) -> Callable[[Evidence], tuple[str, str] | None]:
    """A function that says who of those the policy trusts signed a piece of evidence: an identity, and its name."""
    if policy.trust_root is not None:
        from kitops_core.evidence.keyless import keyless_signer

        return keyless_signer(policy.identity, policy.issuer, policy.trust_root)

    def by_key(evidence: Evidence) -> tuple[str, str] | None:
        key = evidence.verified_by(policy.keys)
        return (key.hint, key.name) if key else None

    return by_key


def _shortfall(found: Sequence[Evidence], signers: int, policy: VerificationPolicy, what: str) -> str:
    """Why there are too few signers, in one line."""
    wanted = ", ".join(key.name for key in policy.keys) or policy.identity
    if signers:
        return f"{signers} of the {policy.needed} signers needed signed a {what} ({wanted})"
    if not found:
        return f"no {what} is attached"
    problems = [evidence.problem for evidence in found if evidence.problem]
    unsigned = sum(evidence.bundle is None and not evidence.problem for evidence in found)
    others = len(found) - len(problems) - unsigned
    parts = [
        *([f"{others} not by {wanted} or not about this digest"] if others else []),
        *([f"{unsigned} unsigned"] if unsigned else []),
        *([f"{len(problems)} unreadable ({problems[0]})"] if problems else []),
    ]
    return f"of {len(found)} attached, none is a {what} by {wanted}: {', '.join(parts)}"

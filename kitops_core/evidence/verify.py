"""Verify: a kit's signatures and attestations against keys, or against an identity."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from kitops_core.errors import VerificationError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import resolve_predicate_type
from kitops_core.evidence.verification import VerificationPolicy, Verified, check
from kitops_core.reference import Where
from kitops_core.session import FoundAny, Session
from kitops_core.signing.keys import PublicKey


def verify(
    session: Session,
    reference: str,
    *,
    keys: Sequence[PublicKey | str | Path | bytes] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: Path | None = None,
    type: str = "signature",
    needed: int = 1,
    where: Where = "any",
) -> Verified:
    """See :meth:`kitops_core.Client.verify`."""
    policy = VerificationPolicy(
        keys=tuple(key if isinstance(key, PublicKey) else PublicKey.load(key) for key in keys),
        identity=identity,
        issuer=issuer,
        trust_root=trust_root,
        predicate_type=resolve_predicate_type(type),
        needed=needed,
    )
    found = session.find_subject(reference, where)
    with closing(found.storage):
        verified = check_found(found, policy, session.control)
    return replace(verified, reference=str(found.reference), storage=found.where)


def check_found(found: FoundAny, policy: VerificationPolicy, control: Control) -> Verified:
    """Verify a kit or an index where it was found; see :func:`kitops_core.evidence.verification.check`.

    What holds for an index holds for the kits that it names by their digests: a kit that was chosen of one verifies
    where the index does.
    """
    try:
        try:
            return check(found.storage, found.manifest.digest, policy, control)
        except VerificationError:
            if found.index is None:
                raise
            verified = check(found.storage, found.index.digest, policy, control)
            return replace(verified, digest=found.manifest.digest)
    except VerificationError as error:
        if found.where == "local store" and not found.reference.is_local_name and not error.hint:
            error.hint = (
                "that is the local store; where='registry' (--remote) looks at what is attached in the registry"
            )
        raise

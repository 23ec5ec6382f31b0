"""Verify: a kit's signatures and attestations against keys, or against an identity."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import VerificationError
from kitops_core.events import Cancel, Control
from kitops_core.evidence.keys import PublicKey
from kitops_core.evidence.predicate_types import resolve_predicate_type
from kitops_core.evidence.verification import VerificationPolicy, Verified, check
from kitops_core.kits.find import FoundKit, find_kit

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def verify(
    reference: str,
    *,
    keys: Sequence[PublicKey | str | Path | bytes] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: Path | None = None,
    type: str = "signature",
    needed: int = 1,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    cancel: Cancel | None = None,
) -> Verified:
    """Verify that a kit has a signature, or an attestation of one type, by one of the keys or by an identity.

    Predicate type, subject digest and content of what is signed must match: a signed summary that says ``FAILED``
    is neither a signature nor a passed check.

    Args:
        reference: The kit. A tag is resolved once; the digest that was verified is in the result.
        keys: Public keys of which any may have signed, or where they are.
        identity: Instead of keys: the mail address or URI in a keyless signer's certificate.
        issuer: The OpenID Connect issuer that vouched for it.
        trust_root: The file with the authorities and logs to trust for that.
        type: ``signature``, or the attestation's predicate type: a URI, or a short name such as ``vsa``.
        needed: How many of the keys must have signed.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        cancel: A switch that stops between requests.

    Raises:
        NotFoundError: There is no such kit.
        VerificationError: It is not verified; the message says what was found instead.
        InvalidInputError: A key or the trust root cannot be used, or neither is given.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    policy = VerificationPolicy(
        keys=tuple(key if isinstance(key, PublicKey) else PublicKey.load(key) for key in keys),
        identity=identity,
        issuer=issuer,
        trust_root=trust_root,
        predicate_type=resolve_predicate_type(type),
        needed=needed,
    )
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        verified = check_found(found, policy, Control(cancel=cancel))
    return replace(verified, reference=str(found.reference), storage=found.where)


def check_found(found: FoundKit, policy: VerificationPolicy, control: Control) -> Verified:
    """Verify a kit where it was found; see :func:`kitops_core.evidence.verification.check`."""
    try:
        return check(found.storage, found.manifest.digest, policy, control)
    except VerificationError as error:
        if found.where == "local store" and not found.reference.is_local_name and not error.hint:
            error.hint = "that is the local store; --remote looks at what is attached in the registry"
        raise

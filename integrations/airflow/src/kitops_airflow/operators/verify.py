"""The operator that verifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kitops_airflow.operators.base import KitReader, listed


class KitVerifyOperator(KitReader):
    """Verify that a kit is signed, or has an attestation of one type, by one of the keys or by an identity.

    What is not verified fails the task at once, without retries.

    Args:
        reference: The kit: ``registry/repository:tag`` or ``@digest``.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.
        keys: Public keys of which any may have signed: paths on the worker, ``env://NAME``, or PEM text.
        identity: Instead of keys: the mail address or URI in a keyless signer's certificate.
        issuer: The OpenID Connect issuer that vouched for it.
        type: ``signature``, or the attestation's predicate type: a URI, or a short name such as ``vsa``.
        needed: How many of the keys must have signed.

    Returns:
        What was verified: ``digest``, ``reference`` pinned to it, ``signers``, ``evidence``. Later tasks should use
        this reference: it names the very digest that was verified.
    """

    template_fields: Sequence[str] = ("reference", "keys", "identity", "issuer")

    def __init__(
        self,
        *,
        keys: str | Sequence[str] = (),
        identity: str = "",
        issuer: str = "",
        type: str = "signature",
        needed: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not keys and not identity:
            raise ValueError(f"{self.task_id}: say who must have signed: keys=, or identity= with issuer=")
        self.keys = keys
        self.identity = identity
        self.issuer = issuer
        self.type = type
        self.needed = needed

    def run(self, context: Any) -> dict[str, Any]:
        """Verify, and return what was verified."""
        hook = self.hook(context)
        reference = hook.reference(self.kit(context))
        verified = hook.get_conn().verify(
            str(reference),
            keys=listed(self.keys),
            identity=self.identity,
            issuer=self.issuer,
            type=self.type,
            needed=self.needed,
            where="registry",
        )
        pinned = str(reference.with_digest(verified.digest))
        self.used(pinned, verified.digest)
        self.log.info("verified by %s", ", ".join(verified.signers))
        return {
            "digest": verified.digest,
            "reference": pinned,
            "registry": reference.registry,
            "repository": reference.repository,
            "signers": list(verified.signers),
            "evidence": list(verified.evidence),
        }

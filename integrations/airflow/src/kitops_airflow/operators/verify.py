"""The operator that verifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_airflow.operators.base import KitReader, listed
from kitops_core import InvalidInputError

if TYPE_CHECKING:
    from kitops_airflow.hooks.kitops import KitOpsHook


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
        by_connection: Instead of keys and identity: take those that the connection names, the first that names any.

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
        by_connection: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if bool(keys or identity) is by_connection:
            raise ValueError(
                f"{self.task_id}: say once who must have signed: keys=, identity= with issuer=, or by_connection=True"
            )
        self.keys = keys
        self.identity = identity
        self.issuer = issuer
        self.type = type
        self.needed = needed
        self.by_connection = by_connection

    def run(self, context: Any) -> dict[str, Any]:
        """Verify, and return what was verified."""
        hook = self.hook(context)
        reference = hook.reference(self.kit(context))
        verified = hook.get_conn().verify(
            str(reference),
            **self._trust(hook),
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

    def _trust(self, hook: KitOpsHook) -> Mapping[str, Any]:
        """Who must have signed, as the engine takes it."""
        if not self.by_connection:
            return {"keys": listed(self.keys), "identity": self.identity, "issuer": self.issuer}
        found = next((connection.trust for connection in hook.connections if connection.trust), None)
        if found is None:
            names = ", ".join(f"'{connection.conn_id}'" for connection in hook.connections)
            raise InvalidInputError(
                f"{self.task_id}: who must have signed is not said by connection {names}",
                hint="set its extra field keys, or identity and issuer",
            )
        return found

"""Keyless signatures: by an identity that a certificate authority vouched for, checked without any network.

Needs the ``sigstore`` extra. The trust root is a file the caller pins (``trusted_root.json``, as ``cosign trusted-root
create`` or Sigstore's TUF repository give it): nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.statement import PAYLOAD_TYPE
from kitops_core.evidence.statements import Evidence


def keyless_signer(identity: str, issuer: str, trust_root: Path) -> Callable[[Evidence], tuple[str, str] | None]:
    """A function that says whether the identity signed a piece of evidence: the identity twice, or ``None``.

    Certificate chain, signed certificate timestamp, log entry, signature, identity and issuer are all checked.

    Args:
        identity: The mail address or URI in the signer's certificate.
        issuer: The OpenID Connect issuer that vouched for it.
        trust_root: The file with the authorities and logs to trust.

    Raises:
        InvalidInputError: The ``sigstore`` extra is not installed, or the trust root cannot be used.
    """
    try:
        from sigstore.errors import Error as SigstoreError
        from sigstore.models import Bundle, TrustedRoot
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity
    except ImportError:
        raise InvalidInputError(
            "keyless verification needs the 'sigstore' extra", hint="pip install 'kitops-core[sigstore]'"
        ) from None
    try:
        verifier = Verifier(trusted_root=TrustedRoot.from_file(str(trust_root)))
    except (OSError, ValueError, SigstoreError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidInputError(f"the trust root '{trust_root}' cannot be used: {reason}") from None
    policy = Identity(identity=identity, issuer=issuer)

    def by_identity(evidence: Evidence) -> tuple[str, str] | None:
        bundle, statement = evidence.bundle, evidence.statement
        if bundle is None or statement is None or not bundle.certificate or not statement.about(evidence.subject):
            return None
        try:
            kind, payload = verifier.verify_dsse(Bundle.from_json(bundle.raw), policy)
        except Exception:  # the bundle is a stranger's: whatever the library makes of it, it is no signature
            return None
        # The library parsed the bundle anew: what it verified must be what was read here.
        if kind != PAYLOAD_TYPE or payload != bundle.envelope.payload:
            return None
        return identity, identity

    return by_identity

"""Signed envelopes: DSSE v1 (https://github.com/secure-systems-lab/dsse)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_core.errors import IntegrityError
from kitops_core.signing.strict_json import bytes_field, text_field

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey, SigningKey


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes a signature is over: type and payload, each with its length, so that neither can pass for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Envelope:
    """A payload and signatures over it.

    Attributes:
        payload_type: The payload's media type.
        payload: The bytes that were signed.
        signatures: Signatures over :func:`pae` of both.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    @staticmethod
    def sign(payload_type: str, payload: bytes, key: SigningKey) -> Envelope:
        """Sign a payload with one key."""
        return Envelope(payload_type, payload, (key.sign(pae(payload_type, payload)),))

    def verified_by(self, keys: Sequence[PublicKey]) -> PublicKey | None:
        """The first of the keys that one of the signatures is by, or ``None``."""
        signed = pae(self.payload_type, self.payload)
        for key in keys:
            if any(key.verify(signature, signed) for signature in self.signatures):
                return key
        return None

    def to_dict(self) -> dict[str, Any]:
        """The envelope as the JSON object of the DSSE specification."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"sig": base64.b64encode(signature).decode()} for signature in self.signatures],
        }


def parse_envelope(data: dict[str, Any], where: str) -> Envelope:
    """Read an envelope with the one signature that a Sigstore bundle may have; ``where`` names it in messages.

    Raises:
        IntegrityError: It is not one.
    """
    signatures = data.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise IntegrityError(f"{where}: exactly one signature is expected")
    return Envelope(
        payload_type=text_field(data, "payloadType", where),
        payload=bytes_field(data, "payload", where),
        signatures=(bytes_field(signatures[0], "sig", where),),
    )

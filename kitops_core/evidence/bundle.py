"""Sigstore bundles v0.3: an envelope with what is needed to verify it.

The format is https://github.com/sigstore/protobuf-specs (``sigstore_bundle.proto``), as cosign v3 writes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kitops_core.errors import IntegrityError
from kitops_core.evidence.dsse import Envelope, parse_envelope
from kitops_core.evidence.statement import MAX_STATEMENT_BYTES
from kitops_core.signing.strict_json import bytes_field, object_field, parse_object, text_field

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""The media type of a bundle, and the artifact type of the manifest that attaches it."""

MAX_BUNDLE_BYTES = 2 * MAX_STATEMENT_BYTES
"""A statement in base64, and room for certificates and log entries."""

_OLDER_SPELLING = "application/vnd.dev.sigstore.bundle+json;version=0.3"


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read or made.

    Attributes:
        raw: Its exact bytes.
        envelope: The signed envelope.
        hint: Which key it says it was signed by, or an empty string; not to be trusted.
        certificate: The signer's certificate (DER), where it was signed without a key of its own; else empty.
    """

    raw: bytes = field(repr=False)
    envelope: Envelope = field(repr=False)
    hint: str = ""
    certificate: bytes = field(default=b"", repr=False)


def build_bundle(envelope: Envelope, hint: str) -> Bundle:
    """The bundle of an envelope that was signed with a key; ``hint`` is the key's."""
    data = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": envelope.to_dict(),
    }
    return Bundle(json.dumps(data, separators=(",", ":")).encode(), envelope, hint)


def parse_bundle(raw: bytes, where: str) -> Bundle:
    """Read a bundle; ``where`` names it in messages. Nothing is verified yet.

    Raises:
        IntegrityError: It is too large, not a bundle v0.3, or holds no envelope.
    """
    data = parse_object(raw, where, MAX_BUNDLE_BYTES)
    media_type = data.get("mediaType")
    if media_type not in (BUNDLE, _OLDER_SPELLING):
        raise IntegrityError(f"{where}: not a Sigstore bundle v0.3: 'mediaType' is {str(media_type)[:100]!r}")
    if "dsseEnvelope" not in data or "messageSignature" in data:
        raise IntegrityError(f"{where}: the bundle holds no envelope, so it says nothing about a kit")
    envelope = parse_envelope(object_field(data, "dsseEnvelope", where), where)
    hint, certificate = _signer(object_field(data, "verificationMaterial", where), where)
    return Bundle(raw, envelope, hint, certificate)


def _signer(material: dict[str, Any], where: str) -> tuple[str, bytes]:
    kinds = [kind for kind in ("publicKey", "certificate", "x509CertificateChain") if kind in material]
    if len(kinds) != 1:
        raise IntegrityError(f"{where}: one key or certificate is expected, not {len(kinds)}")
    signer = object_field(material, kinds[0], where)
    if kinds == ["publicKey"]:
        return text_field(signer, "hint", where, required=False), b""
    if kinds == ["x509CertificateChain"]:
        chain = signer.get("certificates")
        if not isinstance(chain, list) or not chain or not isinstance(chain[0], dict):
            raise IntegrityError(f"{where}: the certificate chain is empty")
        signer = chain[0]
    return "", bytes_field(signer, "rawBytes", where)

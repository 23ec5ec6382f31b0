"""A fake Sigstore: a certificate authority, a certificate log and a transparency log with keys of their own.

It signs a payload as an identity whose issuer it never asked, and writes the trust root that makes verifiers believe
it. What it writes follows the public formats: RFC 6962 for certificate timestamps, Rekor's ``dsse`` entries, Merkle
proofs (of a log with one entry) and signed checkpoints, the Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kitops_core.evidence.dsse import pae

PAYLOAD_TYPE = "application/vnd.in-toto+json"
ORIGIN = "rekor.fake.example"
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")


class FakeSigstore:
    """One authority and its two logs."""

    def __init__(self) -> None:
        self._ca, self._ct, self._log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self._root = self._authority()

    def write_trust_root(self, path: Path) -> Path:
        """The file that pins this authority and its logs."""
        start = {"start": "2020-01-01T00:00:00Z"}
        data = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log("https://rekor.fake.example", self._log)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "fake", "commonName": "fake"},
                    "uri": "https://fulcio.fake.example",
                    "certChain": {"certificates": [{"rawBytes": _text(self._root.public_bytes(DER))}]},
                    "validFor": start,
                }
            ],
            "ctlogs": [_log("https://ct.fake.example", self._ct)],
        }
        path.write_text(json.dumps(data))
        return path

    def sign(self, payload: bytes, identity: str, issuer: str) -> dict[str, Any]:
        """The bundle of a statement, signed with a new key whose certificate names the identity."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(key, identity, issuer)
        signature = _sign(key, pae(PAYLOAD_TYPE, payload))
        body = _entry(payload, signature, certificate)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _text(certificate.public_bytes(DER))},
                "tlogEntries": [self._logged(body)],
            },
            "dsseEnvelope": {
                "payload": _text(payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _text(signature)}],
            },
        }

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake")])
        public = self._ca.public_key()
        return (
            self._builder(name, public, days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._ca, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, **valid: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake")]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - datetime.timedelta(minutes=1))
            .not_valid_after(self._now + datetime.timedelta(**valid))
        )

    def _certificate(self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str) -> x509.Certificate:
        """A short-lived certificate with the log's timestamp of it, made as RFC 6962 says: without it first."""
        name: x509.GeneralName = (
            x509.UniformResourceIdentifier(identity) if "://" in identity else x509.RFC822Name(identity)
        )
        ca_key = self._ca.public_key()
        text = issuer.encode()
        builder = (
            self._builder(x509.Name([]), key.public_key(), minutes=10)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER, text), critical=False)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_V2, bytes([12, len(text)]) + text), critical=False)
        )
        before = builder.sign(self._ca, hashes.SHA256()).tbs_certificate_bytes
        milliseconds = int(self._now.timestamp() * 1000)
        entry = _key_id(self._ca) + len(before).to_bytes(3, "big") + before
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + struct.pack("!H", 0)
        signature = _sign(self._ct, signed)
        stamp = struct.pack("!B32sQHBBH", 0, _key_id(self._ct), milliseconds, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(stamp) + 2, len(stamp)) + stamp
        value = bytes([4, len(listed)]) + listed if len(listed) < 128 else bytes([4, 0x81, len(listed)]) + listed
        extension = x509.UnrecognizedExtension(_SCT_LIST, value)
        return builder.add_extension(extension, critical=False).sign(self._ca, hashes.SHA256())

    def _logged(self, body: bytes) -> dict[str, Any]:
        """The entry of a log that has this one only."""
        key_id, when = _key_id(self._log), int(self._now.timestamp())
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{ORIGIN} - 1\n1\n{_text(root)}\n"
        line = _text(key_id[:4] + _sign(self._log, note.encode()))
        promised = {"body": _text(body), "integratedTime": when, "logID": key_id.hex(), "logIndex": 0}
        promise = json.dumps(promised, sort_keys=True, separators=(",", ":")).encode()
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(key_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {"signedEntryTimestamp": _text(_sign(self._log, promise))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 {ORIGIN} {line}\n"},
            },
            "canonicalizedBody": _text(body),
        }


def _entry(payload: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    """What the log has of an envelope: digests, the signature and its certificate."""
    digest = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
    signed = {"signature": _text(signature), "verifier": _text(certificate.public_bytes(PEM))}
    spec = {"envelopeHash": digest, "payloadHash": digest, "signatures": [signed]}
    data = {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(sign, False, False, False, False, not sign, not sign, False, False)


def _log(url: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": _text(_spki(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        },
        "logId": {"keyId": _text(_key_id(key))},
    }


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()

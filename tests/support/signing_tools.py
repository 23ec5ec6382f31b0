"""Keys, and short ways to sign with them and to put what cosign wrote where it was recorded from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from golden_cases import Artifact

from kitops_core.errors import IntegrityError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import COSIGN_SIGN
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.evidence.verification import VerificationPolicy
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, parse_manifest
from kitops_core.signing.keys import SigningKey
from kitops_core.storage import Storage


def new_key(name: str) -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()), name)


def write_keys(directory: Path, key: SigningKey, name: str) -> None:
    """Write a pair as openssl does: the private key without a password."""
    pem = key._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{name}.key").write_bytes(pem)
    (directory / f"{name}.pub").write_bytes(key.public.pem)


KEY, OTHER_KEY = new_key("release.key"), new_key("other.key")


def sign(storage: Storage, subject: Descriptor, key: SigningKey = KEY) -> str:
    """Sign a manifest; the digest of the referrer."""
    return attach_statement(storage, subject, statement_for(subject.digest, COSIGN_SIGN, {}), key=key).digest


def trusting(*keys: SigningKey, type: str = COSIGN_SIGN, **rest: Any) -> VerificationPolicy:
    """A policy that trusts these keys."""
    return VerificationPolicy(keys=tuple(key.public for key in keys), predicate_type=type, **rest)


def upload(storage: Storage, artifact: Artifact, tag: str = "signed") -> None:
    """Put a golden artifact with all its blobs and referrers into a storage."""
    manifests = {}
    for digest, raw in artifact.blobs.items():
        try:
            manifests[digest] = parse_manifest(raw, digest)
        except IntegrityError:
            storage.write_blob(BytesSource(raw, "application/octet-stream"), Control())
    storage.put_manifest(manifests.pop(artifact.manifest_digest), [tag])
    for manifest in manifests.values():
        storage.put_manifest(manifest)

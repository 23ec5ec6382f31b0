"""Keys to sign and verify with: ECDSA on P-256, in the PEM files that openssl and cosign write."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.by_identity import ByIdentity
from kitops_core.errors import InvalidInputError
from kitops_core.signing import sealed_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PASSWORD_VARIABLE = "COSIGN_PASSWORD"  # noqa: S105 (the name of the variable, which is cosign's)
MAX_KEY_BYTES = 64 * 1024

_NO_PASSWORD = f"set ${PASSWORD_VARIABLE} to the password of the key"
_KINDS = "ECDSA keys on P-256 are supported: `kitops generate-key-pair`, `cosign generate-key-pair`"


@dataclass(frozen=True)
class PublicKey:
    """A key to verify with. Two are equal where they are the same key, whatever their names.

    Attributes:
        der: The key as DER (SubjectPublicKeyInfo).
        name: Where it came from, for messages.
    """

    der: bytes = field(repr=False)
    name: str = field(default="", compare=False)

    @staticmethod
    def load(source: str | Path | bytes) -> PublicKey:
        """Read a public key in PEM.

        Args:
            source: A file, the PEM itself, or ``env://NAME`` for what an environment variable holds.

        Raises:
            InvalidInputError: It cannot be read, or is not a public key on P-256.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        pem, name = _read(source)
        if b"PRIVATE KEY-----" in pem:
            raise InvalidInputError(f"{name} is a private key, a public key is expected", hint=_KINDS)
        try:
            key = serialization.load_pem_public_key(pem)
        except Exception:
            raise InvalidInputError(f"{name} is not a public key in PEM", hint=_KINDS) from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InvalidInputError(f"{name} is {_kind(key)}, which cannot be used here", hint=_KINDS)
        return PublicKey(_spki(key), name)

    @property
    def hint(self) -> str:
        """Base64 of the SHA-256 of :attr:`der`: what cosign writes into bundles to say which key signed."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def pem(self) -> bytes:
        """The key as a PEM file."""
        body = base64.encodebytes(self.der).replace(b"\n", b"")
        lines = [body[start : start + 64] for start in range(0, len(body), 64)]
        return b"\n".join([b"-----BEGIN PUBLIC KEY-----", *lines, b"-----END PUBLIC KEY-----", b""])

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature (ASN.1, SHA-256) over ``data`` is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = serialization.load_der_public_key(self.der)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        try:
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class SigningKey(ByIdentity):
    """A private key. It is never shown: not by ``repr``, not in messages.

    Attributes:
        public: The public key that belongs to it.
    """

    def __init__(self, key: EllipticCurvePrivateKey, name: str) -> None:
        self._key = key
        self.public = PublicKey(_spki(key.public_key()), name)

    @staticmethod
    def load(source: str | Path | bytes, password: bytes | None = None) -> SigningKey:
        """Read a private key: PKCS#8 or SEC1 in PEM, plain or encrypted, or cosign's own encrypted format.

        Args:
            source: A file, the PEM itself, or ``env://NAME`` for what an environment variable holds.
            password: The password of an encrypted key; ``None`` means what ``$COSIGN_PASSWORD`` holds.

        Raises:
            InvalidInputError: It cannot be read, is not a private key on P-256, or the password is missing or wrong.
        """
        from cryptography.hazmat.primitives.asymmetric import ec

        pem, name = _read(source)
        if b"-----BEGIN PUBLIC KEY-----" in pem:
            raise InvalidInputError(f"{name} is a public key, a private key is expected", hint=_KINDS)
        if password is None and PASSWORD_VARIABLE in os.environ:
            password = os.environ[PASSWORD_VARIABLE].encode()
        encrypted = _is_encrypted(pem)
        if encrypted and password is None:
            raise InvalidInputError(f"{name} is encrypted, and no password was given", hint=_NO_PASSWORD)
        key = _open_key(pem, name, password if encrypted else None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InvalidInputError(f"{name} is {_kind(key)}, which cannot be used here", hint=_KINDS)
        return SigningKey(key, name)

    def sign(self, data: bytes) -> bytes:
        """An ECDSA signature (ASN.1, SHA-256) over ``data``."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))

    def to_pem(self, password: bytes) -> bytes:
        """The key as an encrypted PEM file (PKCS#8), for a tool that takes files only."""
        from cryptography.hazmat.primitives import serialization

        how = serialization.BestAvailableEncryption(password)
        return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)

    def __repr__(self) -> str:
        return f"SigningKey({self.public.name!r}, hint={self.public.hint!r})"


def generate_key_pair(password: bytes) -> tuple[bytes, bytes]:
    """A new key pair as cosign writes it.

    Returns:
        The private key, encrypted with the password, and the public key, both in PEM.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return sealed_key.seal(der, password), SigningKey(key, "").public.pem


def is_encrypted(source: str | Path | bytes) -> bool:
    """Whether a private key needs a password.

    Raises:
        InvalidInputError: It cannot be read.
    """
    return _is_encrypted(_read(source)[0])


def _is_encrypted(pem: bytes) -> bool:
    return b" ENCRYPTED " in pem or b"Proc-Type: 4,ENCRYPTED" in pem


def _open_key(pem: bytes, name: str, password: bytes | None) -> Any:
    from cryptography.hazmat.primitives import serialization

    try:
        if sealed_key.is_sealed(pem):
            return serialization.load_der_private_key(sealed_key.unseal(pem, password or b""), None)
        return serialization.load_pem_private_key(pem, password)
    except (ImportError, MemoryError):
        raise
    except Exception:  # whatever a library says about a private key stays out of messages
        if password is not None:
            raise InvalidInputError(f"{name} cannot be opened: the password is wrong, or the file broken") from None
        raise InvalidInputError(f"{name} is not a private key in PEM", hint=_KINDS) from None


def _read(source: str | Path | bytes) -> tuple[bytes, str]:
    """The PEM and what to call it."""
    if isinstance(source, bytes):
        return source, "the key"
    text = str(source)
    if text.lstrip().startswith("-----BEGIN "):
        return text.encode(), "the key"
    if text.startswith("env://"):
        variable = text.removeprefix("env://")
        if variable not in os.environ:
            raise InvalidInputError(f"the key {text}: the environment has no such variable")
        return os.environ[variable].encode(), text
    if "://" in text:
        raise InvalidInputError(
            f"the key '{text}' is kept where kitops cannot read it", hint="give a PEM file, or env://NAME"
        )
    try:
        with open(source, "rb") as file:
            pem = file.read(MAX_KEY_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise InvalidInputError(f"the key '{text}' cannot be read: {reason}", hint=_KINDS) from None
    if len(pem) > MAX_KEY_BYTES:
        raise InvalidInputError(f"'{text}' is too large to be a key", hint=_KINDS)
    return pem, Path(source).name


def _spki(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


def _kind(key: Any) -> str:
    curve = getattr(getattr(key, "curve", None), "name", "")
    return f"a key on {curve}" if curve else f"a key of another kind ({type(key).__name__.strip('_')})"

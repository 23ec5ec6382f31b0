"""Cosign's encrypted private keys: a PEM block around JSON that says how the PKCS#8 key was sealed.

Scrypt makes a key of the password, NaCl's secretbox (XSalsa20-Poly1305) seals with it; written by cosign 1 to 3.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os

from kitops_core.errors import IntegrityError
from kitops_core.signing.strict_json import bytes_field, object_field, parse_object

_LABELS = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")
_N, _R, _P = 65536, 8, 1  # what cosign writes
_MAX_MEMORY = 256 * 1024 * 1024  # a file from elsewhere cannot ask for more
_MAX_BYTES = 64 * 1024


def is_sealed(pem: bytes) -> bool:
    """Whether a PEM file is a key in this format."""
    return any(b"-----BEGIN " + label + b"-----" in pem for label in _LABELS)


def seal(key: bytes, password: bytes) -> bytes:
    """Encrypt a private key (PKCS#8 in DER).

    Returns:
        The PEM file.
    """
    from nacl.secret import SecretBox

    salt, nonce = os.urandom(32), os.urandom(SecretBox.NONCE_SIZE)
    box = SecretBox(_derive(password, salt, _N))
    data = {
        "kdf": {"name": "scrypt", "params": {"N": _N, "r": _R, "p": _P}, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(box.encrypt(key, nonce).ciphertext),
    }
    body = _text(json.dumps(data, separators=(",", ":")).encode()).encode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN %s-----" % _LABELS[0], *lines, b"-----END %s-----" % _LABELS[0], b""])


def unseal(pem: bytes, password: bytes) -> bytes:
    """Decrypt a private key.

    Returns:
        The key (PKCS#8 in DER).

    Raises:
        IntegrityError: The file is not in this format.
        nacl.exceptions.CryptoError: The password is wrong, or the file was altered.
    """
    from nacl.secret import SecretBox

    where = "the sealed key"
    body = b"".join(line for line in pem.strip().splitlines() if b"-----" not in line)
    data = parse_object(base64.b64decode(body, validate=True), where, _MAX_BYTES)
    kdf, cipher = object_field(data, "kdf", where), object_field(data, "cipher", where)
    if (kdf.get("name"), cipher.get("name")) != ("scrypt", "nacl/secretbox"):
        raise IntegrityError(f"{where}: sealed with {kdf.get('name')!r} and {cipher.get('name')!r}")
    params = object_field(kdf, "params", where)
    n, r, p = (params.get(name) for name in "Nrp")
    if not isinstance(n, int) or (r, p) != (_R, _P):
        raise IntegrityError(f"{where}: scrypt with N={n!r}, r={r!r}, p={p!r}, which cosign never writes")
    derived = _derive(password, bytes_field(kdf, "salt", where), n)
    return SecretBox(derived).decrypt(bytes_field(data, "ciphertext", where), bytes_field(cipher, "nonce", where))


def _derive(password: bytes, salt: bytes, n: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=_R, p=_P, maxmem=_MAX_MEMORY, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()

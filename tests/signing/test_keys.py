"""Keys to sign with: what openssl and cosign write is read, and nothing of a private key is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from golden_cases import load_artifact

from kitops_core.errors import InvalidInputError
from kitops_core.signing.keys import PublicKey, SigningKey, generate_key_pair, is_encrypted

GOLDEN = load_artifact("signatures/cosign-referrers")
COSIGN_KEY = GOLDEN.data["cosign_encrypted_key"].encode()
COSIGN_PUBLIC = GOLDEN.data["cosign_public_key"].encode()
COSIGN_PASSWORD = GOLDEN.data["cosign_key_password"].encode()

PKCS8, SEC1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL


def private_pem(
    form: serialization.PrivateFormat, password: bytes = b"", curve: ec.EllipticCurve | None = None
) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = ec.generate_private_key(curve or ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, how)


def test_a_key_that_cosign_encrypted_opens_with_its_password() -> None:
    key = SigningKey.load(COSIGN_KEY, COSIGN_PASSWORD)
    assert key.public == PublicKey.load(COSIGN_PUBLIC)
    assert key.public.hint == "aasKDacVvLXGmZ8gL62/VQa4XuXH8rPBZ/9CCgk+yUU="
    older = COSIGN_KEY.replace(b"SIGSTORE", b"COSIGN")
    assert SigningKey.load(older, COSIGN_PASSWORD).public == key.public


@pytest.mark.parametrize("password", [b"correct horse", b""])
def test_a_generated_pair_signs_and_verifies(password: bytes) -> None:
    private, public = generate_key_pair(password)
    assert private.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    key = SigningKey.load(private, password)
    signature = key.sign(b"data")
    loaded = PublicKey.load(public)
    assert loaded == key.public
    assert loaded.pem == public
    assert loaded.verify(signature, b"data")
    assert not loaded.verify(signature, b"other data")
    assert not loaded.verify(b"not a signature", b"data")
    assert not PublicKey.load(COSIGN_PUBLIC).verify(signature, b"data")


@pytest.mark.parametrize("form", [PKCS8, SEC1])
@pytest.mark.parametrize("password", [b"", b"secret words"])
def test_keys_of_openssl_are_read_plain_and_encrypted(
    form: serialization.PrivateFormat, password: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "signer.pem"
    file.write_bytes(private_pem(form, password))
    assert is_encrypted(file) is bool(password)
    key = SigningKey.load(file, password or None)
    assert key.public.verify(key.sign(b"x"), b"x")
    assert key.public.name == "signer.pem"


def test_what_openssl_writes_before_a_key_is_passed_over() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert SigningKey.load(parameters + private_pem(SEC1)).public.hint


def test_a_key_comes_from_a_file_from_text_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = private_pem(PKCS8)
    (tmp_path / "key").write_bytes(pem)
    monkeypatch.setenv("CI_KEY", pem.decode())
    sources = [tmp_path / "key", str(tmp_path / "key"), pem, pem.decode(), "env://CI_KEY"]
    assert len({SigningKey.load(source).public for source in sources}) == 1


def test_the_password_comes_from_cosigns_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", COSIGN_PASSWORD.decode())
    assert SigningKey.load(COSIGN_KEY).public.hint
    with pytest.raises(InvalidInputError, match="the password is wrong"):
        SigningKey.load(COSIGN_KEY, b"another")
    assert SigningKey.load(private_pem(PKCS8)).public.hint  # a key without a password needs none


def test_neither_key_nor_password_is_shown() -> None:
    private = private_pem(PKCS8)
    key = SigningKey.load(private)
    assert "PRIVATE" not in repr(key)
    assert "PRIVATE" not in str(vars(key.public))
    with pytest.raises(InvalidInputError) as caught:
        SigningKey.load(COSIGN_KEY, b"wrong-secret")
    assert "wrong-secret" not in repr(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (COSIGN_KEY, "is encrypted, and no password was given"),
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (COSIGN_PUBLIC, "is a public key, a private key is expected"),
        ("/nowhere/key.pem", "cannot be read: No such file"),
        ("nul\0byte", "not a file name"),
        ("env://KITOPS_NO_SUCH_KEY", "no such variable"),
        ("awskms:///alias/k", "where kitops cannot read it"),
        (private_pem(PKCS8, curve=ec.SECP384R1()), "secp384r1, which cannot be used"),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, PKCS8, serialization.NoEncryption()
            ),
            "another kind",
        ),
    ],
)
def test_what_is_no_usable_private_key_is_named(source: bytes | str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        SigningKey.load(source)
    assert caught.value.hint or "variable" in says


def test_a_sealed_key_that_was_altered_does_not_open() -> None:
    for broken in (COSIGN_KEY.replace(b"eyJr", b"AAAA"), COSIGN_KEY[:200] + COSIGN_KEY[264:], COSIGN_KEY[:100]):
        with pytest.raises(InvalidInputError, match="cannot be opened"):
            SigningKey.load(broken, COSIGN_PASSWORD)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (private_pem(PKCS8), "is a private key, a public key is expected"),
        (b"nonsense", "not a public key"),
        ("/nowhere", "cannot be read"),
        (
            ec.generate_private_key(ec.SECP521R1())
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "secp521r1",
        ),
    ],
)
def test_what_is_no_usable_public_key_is_named(source: bytes | str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        PublicKey.load(source)


def test_an_absurdly_large_file_is_not_read_as_a_key(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(100_000))
    with pytest.raises(InvalidInputError, match="too large"):
        PublicKey.load(tmp_path / "model.bin")

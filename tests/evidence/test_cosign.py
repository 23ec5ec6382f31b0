"""cosign and we read each other's keys, signatures and attestations; the tests need cosign on PATH.

What cosign v3 wrote once is in tests/golden/signatures, which serves where cosign itself is not there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from cli_runner import ok
from clients import client
from fake_sigstore import FakeSigstore

import kitops_core as kitops
from kitops_core import PublicKey, SigningKey, VerificationError
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.predicate_types import COSIGN_SIGN
from kitops_core.evidence.statement import statement_for

pytestmark = [
    pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not on PATH"),
    pytest.mark.slow,  # each call of cosign takes a second
]

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry")
NO_LOG = ("--insecure-ignore-tlog=true", "--allow-http-registry")
SLSA = {
    "buildDefinition": {"buildType": "https://example.com/train/v1", "externalParameters": {"lr": 0.1}},
    "runDetails": {"builder": {"id": "https://example.com/airflow"}},
}


def cosign(*args: str, fails: bool = False) -> str:
    done = subprocess.run(["cosign", *args], capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) is fails, f"cosign {' '.join(args)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COSIGN_PASSWORD", "interop")
    ok("generate-key-pair", "--output-key-prefix", "ours")
    cosign("generate-key-pair", "--output-key-prefix", "theirs")
    (tmp_path / "slsa.json").write_text(json.dumps(SLSA))
    return tmp_path


@pytest.fixture
def name(either_registry: str, tmp_path: Path) -> str:
    """A kit, by its digest, in a registry without and in one with the referrers API."""
    root = tmp_path / "model"
    root.mkdir()
    (root / "model.bin").write_bytes(uuid.uuid4().bytes)
    repository = f"{either_registry}/cosign/{uuid.uuid4().hex[:8]}"
    return f"{repository}@{kitops.pack(root, f'{repository}:1.0', push=True).digest}"


def test_each_opens_the_others_private_key(keys: Path) -> None:
    cosign("generate-key-pair", "--output-key-prefix", "stranger")
    assert SigningKey.load("theirs.key").public == PublicKey.load("theirs.pub")
    assert "-----BEGIN PUBLIC KEY-----" in cosign("public-key", "--key", "ours.key")
    assert (keys / "ours.pub").read_text() in cosign("public-key", "--key", "ours.key")


def test_both_sign_and_attest_and_verify_each_others(name: str) -> None:
    cosign("generate-key-pair", "--output-key-prefix", "stranger")
    digest = name.rpartition("@")[2]
    for key in ("ours", "theirs"):
        kitops.sign(name, f"{key}.key")
        cosign("verify", "--key", f"{key}.pub", *NO_LOG, name)
        client(signer=f"{key}.key").attest(name, SLSA, type="slsaprovenance1")
        said = cosign("verify-attestation", "--key", f"{key}.pub", "--type", "slsaprovenance1", *NO_LOG, name)
        assert "buildDefinition" in said or "payload" in said
        client(signer=f"{key}.key").attest(name, {"environment": "prod"}, type="promotion")
        uri = "urn:kitops-core:attestation/promotion/v1"
        cosign("verify-attestation", "--key", f"{key}.pub", "--type", uri, *NO_LOG, name)
    with pytest.raises(VerificationError):
        kitops.verify(name, keys=["stranger.pub"])
    cosign("sign", "--key", "stranger.key", *OFFLINE, name)
    cosign("attest", "--key", "stranger.key", "--type", "slsaprovenance1", "--predicate", "slsa.json", *OFFLINE, name)
    assert kitops.verify(name, keys=["stranger.pub"]).digest == digest
    assert kitops.verify(name, keys=["stranger.pub"], type="slsaprovenance1").digest == digest
    with pytest.raises(VerificationError):
        kitops.verify(name, keys=["stranger.pub"], type="vsa")
    rows = kitops.referrers(name).referrers
    assert not [row.problem for row in rows if row.problem]
    assert len(rows) == 8
    with kitops.open(name) as kit:
        assert kit.digest == digest
    assert [kit.tag for kit in kitops.list_kits(name.partition("@")[0])] == ["1.0"]


def test_cosign_verifies_the_image_of_a_kit_that_we_signed(name: str) -> None:
    """As an admission controller does before a pod may mount it."""
    image = f"{name.partition('@')[0]}@{kitops.image(name).digest}"
    kitops.sign(image, "ours.key")
    cosign("verify", "--key", "ours.pub", *NO_LOG, image)
    cosign("verify", "--key", "theirs.pub", *NO_LOG, image, fails=True)


def test_cosign_refuses_another_key(name: str) -> None:
    kitops.sign(name, "ours.key")
    cosign("verify", "--key", "theirs.pub", *NO_LOG, name, fails=True)


def test_a_summary_that_says_failed_is_a_signature_to_cosign_and_none_to_us(name: str) -> None:
    """Why `kitops verify` looks at more than who signed."""
    client(signer="ours.key").attest(name, {"verificationResult": "FAILED"}, type="vsa")
    cosign("verify", "--key", "ours.pub", *NO_LOG, name)
    for kind in ("signature", "vsa"):
        with pytest.raises(VerificationError):
            kitops.verify(name, keys=["ours.pub"], type=kind)


def test_cosign_believes_the_fake_authority_of_our_keyless_tests_too(name: str, tmp_path: Path) -> None:
    """So that what those tests verify is what a keyless signature looks like to others."""
    pytest.importorskip("sigstore", reason="the sigstore extra is not installed")
    who, issuer = "trainer@example.com", "https://accounts.example.com"
    fake = FakeSigstore()
    root = fake.write_trust_root(tmp_path / "trusted_root.json")
    statement = statement_for(name.rpartition("@")[2], COSIGN_SIGN, {}).to_json()
    (tmp_path / "bundle.json").write_text(json.dumps(fake.sign(statement, who, issuer)))
    kitops.attach(name, tmp_path / "bundle.json", artifact_type=BUNDLE)
    flags = ("--trusted-root", str(root), "--allow-http-registry", "--certificate-oidc-issuer", issuer)
    cosign("verify", "--certificate-identity", who, *flags, name)
    cosign("verify", "--certificate-identity", "other@example.com", *flags, name, fails=True)
    assert kitops.verify(name, identity=who, issuer=issuer, trust_root=root).signers == (who,)

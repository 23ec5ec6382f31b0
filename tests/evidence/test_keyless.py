"""Keyless signatures, without a network: by a fake authority, against a trust root that pins it."""

from __future__ import annotations

import copy
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from blob_tools import put_kit
from cli_runner import kit as run
from cli_runner import ok
from fake_sigstore import FakeSigstore
from signing_tools import KEY, sign

from kitops_core.errors import InvalidInputError, VerificationError
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.predicate_types import COSIGN_SIGN, VSA
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_blob
from kitops_core.evidence.verification import VerificationPolicy, check
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage import Storage
from kitops_core.storage.local import LocalRepository, LocalStore

WHO, ISSUER = "trainer@example.com", "https://accounts.example.com"


@pytest.fixture(scope="module")
def sigstore() -> FakeSigstore:
    return FakeSigstore()


@pytest.fixture
def storage() -> Storage:
    return LocalRepository(LocalStore(), "localhost/keyless")


@pytest.fixture
def kit(storage: Storage) -> Descriptor:
    return put_kit(storage, ("1.0",)).descriptor


def test_without_the_extra_the_error_names_it(
    storage: Storage, kit: Descriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sigstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sigstore", None)
    policy = VerificationPolicy(identity=WHO, issuer=ISSUER, trust_root=tmp_path / "root.json")
    with pytest.raises(InvalidInputError, match="needs the 'sigstore' extra") as caught:
        check(storage, kit.digest, policy)
    assert "pip install 'kitops-core[sigstore]'" in caught.value.hint


class TestWithTheExtra:
    @pytest.fixture(autouse=True)
    def offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("sigstore", reason="the sigstore extra is not installed")

        def no_network(*args: Any) -> None:
            raise AssertionError("verification went to the network")

        monkeypatch.setattr(socket.socket, "connect", no_network)

    @pytest.fixture
    def policy(self, sigstore: FakeSigstore, tmp_path: Path) -> dict[str, Any]:
        root = sigstore.write_trust_root(tmp_path / "trusted_root.json")
        return {"identity": WHO, "issuer": ISSUER, "trust_root": root}

    @pytest.fixture
    def bundle(self, sigstore: FakeSigstore, kit: Descriptor) -> dict[str, Any]:
        return sigstore.sign(statement_for(kit.digest, COSIGN_SIGN, {}).to_json(), WHO, ISSUER)

    def test_the_identity_verifies(
        self, storage: Storage, kit: Descriptor, bundle: dict[str, Any], policy: dict[str, Any]
    ) -> None:
        attached = attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        verified = check(storage, kit.digest, VerificationPolicy(**policy))
        assert (verified.signers, verified.evidence) == ((WHO,), (attached.digest,))

    @pytest.mark.parametrize("changed", [{"identity": "other@example.com"}, {"issuer": "https://evil.example.com"}])
    def test_another_identity_or_issuer_does_not(
        self,
        storage: Storage,
        kit: Descriptor,
        bundle: dict[str, Any],
        policy: dict[str, Any],
        changed: dict[str, str],
    ) -> None:
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        with pytest.raises(VerificationError, match="not by"):
            check(storage, kit.digest, VerificationPolicy(**{**policy, **changed}))

    def test_another_authority_does_not(
        self, storage: Storage, kit: Descriptor, bundle: dict[str, Any], policy: dict[str, Any], tmp_path: Path
    ) -> None:
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        other = FakeSigstore().write_trust_root(tmp_path / "other.json")
        with pytest.raises(VerificationError, match="not by trainer"):
            check(storage, kit.digest, VerificationPolicy(**{**policy, "trust_root": other}))

    @pytest.mark.parametrize(
        "path",
        [
            ("dsseEnvelope", "signatures", 0, "sig"),
            ("dsseEnvelope", "payload"),
            ("verificationMaterial", "certificate", "rawBytes"),
            ("verificationMaterial", "tlogEntries", 0, "canonicalizedBody"),
            ("verificationMaterial", "tlogEntries", 0, "inclusionPromise", "signedEntryTimestamp"),
            ("verificationMaterial", "tlogEntries", 0, "inclusionProof", "rootHash"),
        ],
    )
    def test_a_part_of_another_bundle_of_the_same_identity_does_not_fit(
        self,
        storage: Storage,
        kit: Descriptor,
        bundle: dict[str, Any],
        policy: dict[str, Any],
        sigstore: FakeSigstore,
        path: tuple[str | int, ...],
    ) -> None:
        other: Any = sigstore.sign(statement_for(kit.digest, COSIGN_SIGN, {"more": 1}).to_json(), WHO, ISSUER)
        mixed: Any = copy.deepcopy(bundle)
        place = mixed
        for step in path[:-1]:
            place, other = place[step], other[step]
        place[path[-1]] = other[path[-1]]
        attach_blob(storage, kit, json.dumps(mixed).encode(), artifact_type=BUNDLE)
        with pytest.raises(VerificationError):
            check(storage, kit.digest, VerificationPolicy(**policy))

    @pytest.mark.parametrize("missing", ["tlogEntries", "inclusionPromise", "inclusionProof"])
    def test_a_bundle_without_its_log_entry_does_not(
        self, storage: Storage, kit: Descriptor, bundle: dict[str, Any], policy: dict[str, Any], missing: str
    ) -> None:
        material = bundle["verificationMaterial"]
        (material if missing in material else material["tlogEntries"][0]).pop(missing)
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        with pytest.raises(VerificationError):
            check(storage, kit.digest, VerificationPolicy(**policy))

    def test_a_bundle_about_another_kit_or_of_another_type_does_not(
        self, storage: Storage, kit: Descriptor, policy: dict[str, Any], sigstore: FakeSigstore
    ) -> None:
        about_another = statement_for("sha256:" + "0" * 64, COSIGN_SIGN, {})
        failed = statement_for(kit.digest, VSA, {"verificationResult": "FAILED"})
        for statement in (about_another, failed):
            signed = sigstore.sign(statement.to_json(), WHO, ISSUER)
            attach_blob(storage, kit, json.dumps(signed).encode(), artifact_type=BUNDLE)
        for kind in (COSIGN_SIGN, VSA):
            with pytest.raises(VerificationError):
                check(storage, kit.digest, VerificationPolicy(**policy, predicate_type=kind))

    def test_a_signature_by_a_key_is_none_by_an_identity_nor_the_reverse(
        self, storage: Storage, kit: Descriptor, bundle: dict[str, Any], policy: dict[str, Any]
    ) -> None:
        sign(storage, kit, KEY)
        with pytest.raises(VerificationError, match="not by trainer"):
            check(storage, kit.digest, VerificationPolicy(**policy))
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        assert len(check(storage, kit.digest, VerificationPolicy(keys=(KEY.public,))).evidence) == 1

    @pytest.mark.parametrize("text", ["", "{}", "[]", "not json"])
    def test_a_trust_root_that_is_none_is_named(
        self, storage: Storage, kit: Descriptor, policy: dict[str, Any], text: str, tmp_path: Path
    ) -> None:
        (tmp_path / "broken.json").write_text(text)
        for root in (tmp_path / "broken.json", tmp_path / "missing.json"):
            with pytest.raises(InvalidInputError, match=rf"{root.name}' cannot be used"):
                check(storage, kit.digest, VerificationPolicy(**{**policy, "trust_root": root}))

    def test_the_command_takes_cosigns_options(
        self, storage: Storage, kit: Descriptor, bundle: dict[str, Any], policy: dict[str, Any]
    ) -> None:
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        who = ("--certificate-identity", WHO, "--trust-root", policy["trust_root"], "--certificate-oidc-issuer")
        assert ok("verify", "keyless:1.0", *who, ISSUER).out == f"verified  {kit.digest}  by {WHO}\n"
        assert run("verify", "keyless:1.0", *who, "https://evil.example.com").code == 6
        assert "signed by certificate" in ok("referrers", "keyless:1.0").out

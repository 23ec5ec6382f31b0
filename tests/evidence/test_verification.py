"""What verifies, by keys, and what must not: on what cosign wrote, in a real registry and in the local store."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blob_tools import put_kit
from golden_cases import Artifact, load_artifact
from signing_tools import KEY, OTHER_KEY, sign, trusting, upload

from kitops_core.errors import InvalidInputError, VerificationError
from kitops_core.events import Control
from kitops_core.evidence import predicate_types as types
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_blob, attach_statement, read_evidence
from kitops_core.evidence.verification import VerificationPolicy, check
from kitops_core.oci.manifest import Descriptor, build_manifest, parse_manifest
from kitops_core.signing.keys import PublicKey
from kitops_core.storage import Storage

GOLDEN = [load_artifact("signatures/cosign-referrers"), load_artifact("signatures/cosign-fallback-tag")]
FAILED_VSA = {"verifier": {"id": "https://example.com/gate"}, "verificationResult": "FAILED"}


@pytest.fixture
def kit(storage: Storage) -> Descriptor:
    return put_kit(storage, ("1.0",)).descriptor


@pytest.mark.parametrize("artifact", GOLDEN, ids=lambda artifact: artifact.data["listed_by"])
class TestWhatCosignWrote:
    def test_its_signature_and_its_provenance_verify(self, artifact: Artifact, storage: Storage) -> None:
        upload(storage, artifact)
        public = PublicKey.load(artifact.data["cosign_public_key"])
        for kind in (types.COSIGN_SIGN, types.SLSA_PROVENANCE):
            verified = check(storage, artifact.manifest_digest, VerificationPolicy(keys=(public,), predicate_type=kind))
            assert verified.digest == artifact.manifest_digest
            assert len(verified.evidence) == 1
            (evidence,) = [e for e in read_evidence(storage, verified.digest) if e.digest == verified.evidence[0]]
            assert evidence.predicate_type == kind
            assert evidence.bundle is not None
            assert evidence.bundle.hint == public.hint
            assert evidence.created.startswith("2026-11-23T")

    def test_a_summary_that_says_failed_never_verifies(self, artifact: Artifact, storage: Storage) -> None:
        upload(storage, artifact)
        public = PublicKey.load(artifact.data["cosign_public_key"])
        with pytest.raises(VerificationError, match="does not say PASSED"):
            check(storage, artifact.manifest_digest, VerificationPolicy(keys=(public,), predicate_type=types.VSA))

    def test_alone_it_is_no_signature_either(self, artifact: Artifact, storage: Storage) -> None:
        vsa = next(raw for raw in artifact.blobs.values() if b'"https://slsa.dev/verification_summary/v1"' in raw)
        wanted = {d.digest for d in parse_manifest(vsa, "vsa").blobs} | {artifact.manifest_digest}
        wanted |= {d.digest for d in parse_manifest(artifact.manifest, "kit").blobs}
        blobs = {digest: raw for digest, raw in artifact.blobs.items() if digest in wanted or raw == vsa}
        upload(storage, replace(artifact, blobs=blobs))
        public = PublicKey.load(artifact.data["cosign_public_key"])
        assert [e.predicate_type for e in read_evidence(storage, artifact.manifest_digest)] == [types.VSA]
        with pytest.raises(VerificationError, match="no signature is attached"):
            check(storage, artifact.manifest_digest, VerificationPolicy(keys=(public,)))

    def test_another_key_verifies_nothing(self, artifact: Artifact, storage: Storage) -> None:
        upload(storage, artifact)
        with pytest.raises(VerificationError, match=r"of 1 attached, none is a signature by other.key: 1 not by"):
            check(storage, artifact.manifest_digest, trusting(OTHER_KEY))


class TestWhatMustNotVerify:
    def test_nothing_attached(self, storage: Storage, kit: Descriptor) -> None:
        with pytest.raises(VerificationError, match="no signature is attached"):
            check(storage, kit.digest, trusting(KEY))

    def test_an_unsigned_statement(self, storage: Storage, kit: Descriptor) -> None:
        attach_statement(storage, kit, statement_for(kit.digest, types.COSIGN_SIGN, {}))
        with pytest.raises(VerificationError, match="1 unsigned"):
            check(storage, kit.digest, trusting(KEY))

    def test_a_bundle_of_another_kit_copied_over(self, storage: Storage, kit: Descriptor) -> None:
        other = put_kit(storage, ("2.0",), b"other weights").descriptor
        signature = sign(storage, other, KEY)
        bundle = storage.manifest(signature).layers[0]
        referrer = build_manifest(
            artifact_type=BUNDLE, config=storage.manifest(signature).config, layers=[bundle], subject=kit
        )
        storage.put_manifest(referrer)
        with pytest.raises(VerificationError, match="not about this digest"):
            check(storage, kit.digest, trusting(KEY))

    @pytest.mark.parametrize("digest", [{"sha512": "{hex}"}, {"sha256": "{hex}00"}, {"sha256": "0" * 64}])
    def test_a_statement_about_something_else(self, storage: Storage, kit: Descriptor, digest: dict[str, str]) -> None:
        right = statement_for(kit.digest, types.COSIGN_SIGN, {})
        hexes = {name: value.format(hex=kit.digest[7:]) for name, value in digest.items()}
        wrong = replace(right, subjects=(replace(right.subjects[0], digest=hexes, name=kit.digest),))
        attach_statement(storage, kit, wrong, key=KEY)
        with pytest.raises(VerificationError, match="not about this digest"):
            check(storage, kit.digest, trusting(KEY))

    def test_another_type_under_the_annotation_of_a_signature(self, storage: Storage, kit: Descriptor) -> None:
        digest = attach_statement(storage, kit, statement_for(kit.digest, types.VSA, FAILED_VSA), key=KEY).digest
        honest = storage.manifest(digest)
        annotations = {**honest.annotations, "dev.sigstore.bundle.predicateType": types.COSIGN_SIGN}
        storage.delete(digest)
        storage.put_manifest(
            build_manifest(
                artifact_type=BUNDLE, config=honest.config, layers=honest.layers, annotations=annotations, subject=kit
            )
        )
        with pytest.raises(VerificationError):
            check(storage, kit.digest, trusting(KEY))

    @pytest.mark.parametrize("result", ["FAILED", "WARNED", "passed", None, True, ["PASSED"]])
    @pytest.mark.parametrize("kind", [types.VSA, types.TEST_RESULT])
    def test_a_result_that_is_not_passed(self, storage: Storage, kit: Descriptor, kind: str, result: Any) -> None:
        name = "result" if kind == types.TEST_RESULT else "verificationResult"
        attach_statement(storage, kit, statement_for(kit.digest, kind, {name: result}), key=KEY)
        with pytest.raises(VerificationError, match="does not say PASSED"):
            check(storage, kit.digest, trusting(KEY, type=kind))

    def test_a_failure_is_not_outvoted_but_a_strangers_failure_does_not_count(
        self, storage: Storage, kit: Descriptor
    ) -> None:
        passed = statement_for(kit.digest, types.TEST_RESULT, {"result": "PASSED"})
        failed = statement_for(kit.digest, types.TEST_RESULT, {"result": "FAILED"})
        attach_statement(storage, kit, passed, key=KEY)
        attach_statement(storage, kit, failed, key=OTHER_KEY)
        attach_statement(storage, kit, failed)
        assert check(storage, kit.digest, trusting(KEY, type=types.TEST_RESULT))
        with pytest.raises(VerificationError, match="does not say PASSED"):
            check(storage, kit.digest, trusting(KEY, OTHER_KEY, type=types.TEST_RESULT))

    def test_an_altered_signature(self, storage: Storage, kit: Descriptor) -> None:
        digest = sign(storage, kit, KEY)
        with storage.open_blob(storage.manifest(digest).layers[0], Control()) as reader:
            bundle = json.loads(reader.read_all(10_000))
        statement = statement_for(kit.digest, types.COSIGN_SIGN, {"more": 1})
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(statement.to_json()).decode()
        storage.delete(digest)
        attach_blob(storage, kit, json.dumps(bundle).encode(), artifact_type=BUNDLE)
        with pytest.raises(VerificationError, match="1 not by release"):
            check(storage, kit.digest, trusting(KEY))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "needs a key, or an identity"),
        ({"identity": "a@example.com"}, "needs the identity, its issuer and a trust root"),
        ({"identity": "a@example.com", "issuer": "https://x", "keys": ["key"], "trust_root": Path("x")}, "needs a key"),
        ({"keys": ["key"], "needed": 0}, "0 signers are needed"),
        ({"keys": ["key", "key"], "needed": 2}, "2 signers are needed, and 1 could"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, Any], says: str) -> None:
    if "keys" in fields:
        fields["keys"] = (KEY.public,) * len(fields["keys"])
    with pytest.raises(InvalidInputError, match=says):
        VerificationPolicy(**fields)

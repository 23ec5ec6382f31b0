"""What is attached to a kit: written as cosign writes it, read back whoever wrote it."""

from __future__ import annotations

import json
import tracemalloc
import urllib.request
import uuid
from datetime import datetime, timezone

import pytest
from blob_tools import put_kit
from fault_proxy import FaultProxy, delay
from golden_cases import load_artifact
from request_chain import in_a_row
from signing_tools import KEY, OTHER_KEY, sign, trusting

from kitops_core.errors import IntegrityError, InvalidInputError, VerificationError
from kitops_core.evidence import predicate_types as types
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.statement import PAYLOAD_TYPE, statement_for
from kitops_core.evidence.statements import attach_blob, attach_statement, read_evidence
from kitops_core.evidence.verification import check
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage import Storage
from kitops_core.storage.registry import RegistryRepository


@pytest.fixture
def kit(storage: Storage) -> Descriptor:
    return put_kit(storage, ("1.0",)).descriptor


class TestWhatWeWrite:
    def test_a_signature_verifies_and_leaves_the_kit_untouched(self, storage: Storage, kit: Descriptor) -> None:
        digest = sign(storage, kit, KEY)
        verified = check(storage, kit.digest, trusting(KEY))
        assert verified.evidence == (digest,)
        assert storage.resolve("1.0").digest == kit.digest
        assert list(storage.tags()) == ["1.0"]

    def test_it_is_the_manifest_that_cosign_writes(self, storage: Storage, kit: Descriptor) -> None:
        digest = sign(storage, kit, KEY)
        ours = json.loads(storage.manifest(digest).raw)
        golden = next(
            raw
            for raw in load_artifact("signatures/cosign-referrers").blobs.values()
            if b"cosign/sign/v1" in raw and b"layers" in raw
        )
        cosigns = json.loads(golden)
        for place in (cosigns["config"], cosigns):
            place.pop("artifactType")
        assert ours.pop("artifactType") == BUNDLE
        assert ours["config"] == cosigns["config"]
        assert ours.keys() == cosigns.keys()
        assert ours["layers"][0].keys() == cosigns["layers"][0].keys()
        assert ours["subject"].keys() == cosigns["subject"].keys()
        ours["annotations"].pop("org.opencontainers.image.created")
        cosigns["annotations"].pop("org.opencontainers.image.created")
        assert ours["annotations"] == cosigns["annotations"]

    def test_what_was_returned_is_what_is_read_back(self, storage: Storage, kit: Descriptor) -> None:
        when = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
        statement = statement_for(kit.digest, types.SLSA_PROVENANCE, {"buildDefinition": {"π": [1, 2.5, None]}}, "kit")
        attached = [attach_statement(storage, kit, statement, key=signer, created=when) for signer in (KEY, None)]
        assert sorted(read_evidence(storage, kit.digest), key=str) == sorted(attached, key=str)
        assert attached[0].created == "2026-01-31T12:00:00Z"
        assert attached[1].bundle is None
        assert attached[0].verified_by([KEY.public]) == KEY.public
        assert attached[1].verified_by([KEY.public]) is None

    def test_any_of_several_keys_will_do_or_as_many_as_are_needed(self, storage: Storage, kit: Descriptor) -> None:
        sign(storage, kit, KEY)
        sign(storage, kit, KEY)
        assert check(storage, kit.digest, trusting(OTHER_KEY, KEY)).signers == ("release.key",)
        with pytest.raises(VerificationError, match="1 of the 2 signers needed"):
            check(storage, kit.digest, trusting(OTHER_KEY, KEY, needed=2))
        sign(storage, kit, OTHER_KEY)
        assert len(check(storage, kit.digest, trusting(OTHER_KEY, KEY, needed=2)).evidence) == 3

    def test_a_result_that_says_passed_verifies(self, storage: Storage, kit: Descriptor) -> None:
        for kind, name in ((types.VSA, "verificationResult"), (types.TEST_RESULT, "result")):
            attach_statement(storage, kit, statement_for(kit.digest, kind, {name: "PASSED"}), key=KEY)
            assert check(storage, kit.digest, trusting(KEY, type=kind))

    def test_a_blob_attached_twice_is_one_referrer(self, storage: Storage, kit: Descriptor) -> None:
        for _ in range(2):
            card = attach_blob(storage, kit, b"# card", artifact_type="text/markdown", title="CARD.md")
        (found,) = read_evidence(storage, kit.digest)
        assert (found.digest, found.artifact_type, found.size, found.problem) == (card.digest, "text/markdown", 6, "")
        assert storage.manifest(card.digest).layers[0].annotations == {"org.opencontainers.image.title": "CARD.md"}


class TestStrangersReferrers:
    @pytest.mark.parametrize(
        ("kind", "data", "says"),
        [
            (BUNDLE, b"{}", "not a Sigstore bundle"),
            (BUNDLE, b"\xff", "not JSON"),
            (BUNDLE, b'{"mediaType":"' + BUNDLE.encode() + b'","messageSignature":{}}', "holds no envelope"),
            ("application/vnd.in-toto+json", b'{"_type":"x"}', "not an in-toto statement"),
            ("application/vnd.in-toto+json", b'{"a":1,"a":2}', "a key stands twice"),
        ],
    )
    def test_are_listed_with_what_is_wrong_and_do_not_keep_a_signature_from_counting(
        self, storage: Storage, kit: Descriptor, kind: str, data: bytes, says: str
    ) -> None:
        attach_blob(storage, kit, data, artifact_type=kind)
        (evidence,) = read_evidence(storage, kit.digest)
        assert says in evidence.problem
        with pytest.raises(VerificationError, match="1 unreadable"):
            check(storage, kit.digest, trusting(KEY))
        sign(storage, kit, KEY)
        assert check(storage, kit.digest, trusting(KEY))

    def test_are_not_taken_into_memory_beyond_a_limit(
        self, storage: Storage, kit: Descriptor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sign(storage, kit, KEY)
        attach_blob(storage, kit, bytes(2000), artifact_type="application/x-large")
        monkeypatch.setattr("kitops_core.evidence.statements.MAX_TOTAL_BYTES", 14_000)
        assert check(storage, kit.digest, trusting(KEY))
        sign(storage, kit, KEY)
        assert sorted(bool(evidence.problem) for evidence in read_evidence(storage, kit.digest)) == [False, False, True]

    def test_are_counted_by_what_they_take_in_memory_before_they_are_read(
        self, storage: Storage, kit: Descriptor
    ) -> None:
        """A megabyte of empty lists takes more than twenty."""
        lists = b"[" + b"[]," * 2_500_000 + b"[]]"
        statement = statement_for(kit.digest, types.TEST_RESULT, {"lists": "HERE"}).to_json()
        layer = statement.replace(b'"HERE"', lists)
        attach_blob(storage, kit, layer, artifact_type=PAYLOAD_TYPE)
        sign(storage, kit, KEY)
        tracemalloc.start()
        found = read_evidence(storage, kit.digest)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sorted(bool(evidence.problem) for evidence in found) == [False, True]
        assert peak < 5 * len(layer)
        assert check(storage, kit.digest, trusting(KEY))

    def test_too_many_are_an_error(self, storage: Storage, kit: Descriptor, monkeypatch: pytest.MonkeyPatch) -> None:
        for text in (b"a", b"b"):
            attach_blob(storage, kit, text, artifact_type="text/plain")
        monkeypatch.setattr("kitops_core.storage.limits.MAX_REFERRERS", 1)
        with pytest.raises(IntegrityError, match="has more than 1 referrers, which is the limit"):
            read_evidence(storage, kit.digest)


def test_a_listing_that_names_referrers_of_another_kit_or_none_at_all(registry: str) -> None:
    """A fallback index is a file that anyone with push access can write."""
    storage = RegistryRepository(registry, f"signed/{uuid.uuid4().hex}")
    kit = put_kit(storage).descriptor
    other = put_kit(storage, content=b"other").descriptor
    signature = storage.manifest(sign(storage, other, KEY))
    entries = [signature.descriptor.to_dict(), {**signature.descriptor.to_dict(), "digest": "sha256:" + "1" * 64}]
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries[:1]}
    )
    url = f"http://{registry}/v2/{storage.name.partition('/')[2]}/manifests/{kit.digest.replace(':', '-')}"
    kind = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
    urllib.request.urlopen(urllib.request.Request(url, index.encode(), kind, method="PUT")).close()
    (evidence,) = read_evidence(storage, kit.digest)
    assert "attached to another manifest" in evidence.problem
    with pytest.raises(VerificationError, match="1 unreadable"):
        check(storage, kit.digest, trusting(KEY))
    storage.close()


def test_statements_of_other_types_are_not_fetched(registry: str, faults: FaultProxy) -> None:
    name = f"signed/{uuid.uuid4().hex}"
    storage = RegistryRepository(faults.address, name)
    kit = put_kit(storage).descriptor
    sign(storage, kit, KEY)
    attach_statement(storage, kit, statement_for(kit.digest, types.SLSA_PROVENANCE, {}), key=KEY)
    faults.seen.clear()
    assert check(storage, kit.digest, trusting(KEY))
    assert faults.count("GET", "/manifests/sha256:") == 1
    assert faults.count("GET", "/blobs/sha256:") == 1
    storage.close()


def test_predicate_types_have_short_names_and_are_uris() -> None:
    assert types.resolve_predicate_type("vsa") == types.VSA
    assert types.resolve_predicate_type("https://example.com/x/v1") == "https://example.com/x/v1"
    assert types.predicate_name(types.SLSA_PROVENANCE) == "slsaprovenance1"
    assert types.predicate_name("urn:x") == "urn:x"
    with pytest.raises(InvalidInputError, match="'vas' is not a predicate type"):
        types.resolve_predicate_type("vas")


def test_a_statement_is_about_exactly_the_digest_of_a_subject() -> None:
    digest = "sha256:" + "ab" * 32
    statement = statement_for(digest, "urn:x", {})
    assert statement.about(digest)
    assert not statement.about(digest.upper())
    assert not statement.about("")
    assert not statement.about("ab" * 32)


@pytest.mark.usefixtures("quiet_processor")
def test_what_is_attached_is_not_fetched_one_after_the_other(faults: FaultProxy) -> None:
    """On a quiet machine 4 in a row of 27."""
    registry, _, name = f"{faults.address}/{uuid.uuid4().hex[:8]}/kit".partition("/")
    repository = RegistryRepository(registry, name)
    kit = put_kit(repository, ("1.0",)).descriptor
    for number in range(12):
        attach_statement(repository, kit, statement_for(kit.digest, types.TEST_RESULT, {"number": number}))
    faults.seen.clear()
    faults.every = delay(0.1)
    found = read_evidence(repository, kit.digest)
    faults.every = None
    repository.close()
    assert len(faults.seen) >= 24
    assert [one.statement.predicate["number"] for one in found if one.statement] == [*range(12)]
    assert in_a_row(faults.seen) <= 10

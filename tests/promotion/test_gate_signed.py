"""Gates ``signed`` and ``approvals``: different keys, over this digest, for this channel."""

from __future__ import annotations

from datetime import timedelta

from promotion_world import ML, NOW, RELEASE, RISK, STRANGER, World

from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.predicate_types import APPROVAL, COSIGN_SIGN, TEST_RESULT, VSA
from kitops_core.evidence.statements import attach_blob
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource

SIGNED = "signed: {key: release.pub}"
APPROVALS = "prod:\n  approvals: {keys: [risk.pub, ml.pub], needed: 2}"
TRUST = "trust: {keys: [release.pub]}"


def test_a_kit_signed_by_the_key_passes(world: World) -> None:
    signature = world.sign(RELEASE)
    result = world.ask(SIGNED)
    assert (result.passed, result.name, result.kind) == (True, "signed by release.pub", "signed")
    assert result.evidence == (signature,)


def test_without_keys_of_its_own_the_gate_asks_for_those_under_trust(world: World) -> None:
    assert not world.ask("signed: {}", head=TRUST).passed
    world.sign(RELEASE)
    assert world.ask("signed: {}", head=TRUST).passed


def test_an_unsigned_kit_is_refused(world: World) -> None:
    result = world.ask(SIGNED)
    assert (result.passed, result.name) == (False, "signed by release.pub")
    assert result.detail == "no signature signed by release.pub is attached"


def test_a_signature_of_another_key_is_refused(world: World) -> None:
    world.sign(STRANGER)
    result = world.ask(SIGNED)
    assert not result.passed
    assert result.detail.endswith("1 is there that does not count")


def test_an_unsigned_statement_that_calls_itself_a_signature_is_refused(world: World) -> None:
    world.attest(COSIGN_SIGN, {})
    assert not world.ask(SIGNED).passed


def test_a_signature_over_another_kit_is_refused_where_it_is_replayed(world: World) -> None:
    other = world.pack("other weights")
    world.attest(COSIGN_SIGN, {}, key=RELEASE, about=other)
    assert not world.ask(SIGNED).passed
    assert not world.ask(SIGNED, digest=other).passed


def test_another_statement_by_the_key_is_no_signature(world: World) -> None:
    world.attest(VSA, {"verificationResult": "FAILED"}, key=RELEASE)
    world.attest(TEST_RESULT, {"result": "FAILED"}, key=RELEASE)
    assert not world.ask(SIGNED).passed


def test_several_signers_are_different_keys(world: World) -> None:
    gate = "signed: {keys: [release.pub, risk.pub], needed: 2}"
    world.sign(RELEASE)
    world.sign(RELEASE)
    result = world.ask(gate)
    assert (result.passed, result.detail) == (False, "1 of 2: release.pub")
    world.sign(RISK)
    assert world.ask(gate).passed


def test_one_key_in_two_files_is_one_signer(world: World) -> None:
    (world.directory / "copy.pub").write_bytes(RELEASE.public.pem)
    world.sign(RELEASE)
    assert not world.ask("signed: {keys: [release.pub, copy.pub], needed: 2}").passed


def test_a_key_file_that_is_no_key_refuses_and_says_so(world: World) -> None:
    world.sign(RELEASE)
    (world.directory / "broken.pub").write_text("nothing")
    result = world.ask("signed: {key: broken.pub}")
    assert not result.passed
    assert result.detail == "cannot be evaluated: broken.pub is not a public key in PEM"


def test_a_broken_bundle_refuses_and_says_so_but_hides_no_good_one(world: World) -> None:
    found = world.find(world.digest)
    attach_blob(found.storage, found.manifest.descriptor, BytesSource(b"{", BUNDLE), artifact_type=BUNDLE)
    assert "1 cannot be read" in world.ask(SIGNED).detail
    world.sign(RELEASE)
    assert world.ask(SIGNED).passed


def test_other_referrers_are_passed_over(world: World) -> None:
    found = world.find(world.digest)
    attach_blob(found.storage, found.manifest.descriptor, b"notes", artifact_type=media_types.EMPTY_CONFIG)
    world.sign(RELEASE)
    assert world.ask(SIGNED).passed


def test_an_identity_is_refused_where_nobody_of_that_name_signed(world: World) -> None:
    (world.directory / "root.json").write_text("{}")
    world.sign(RELEASE)
    result = world.ask("signed: {identity: me@example.com, issuer: 'https://login.example.com', trust_root: root.json}")
    assert (result.passed, result.name) == (False, "signed by me@example.com")
    assert result.detail


def approvals(world: World) -> tuple[bool, str, str]:
    *_, result = world.ask_all(world.policy(APPROVALS), "prod")
    return result.passed, result.name, result.detail


def test_enough_approvals_by_different_keys_pass(world: World) -> None:
    world.approve(RISK)
    assert approvals(world) == (False, "approved by risk.pub and ml.pub", "1 of 2: risk.pub")
    world.approve(ML)
    passed, name, _ = approvals(world)
    assert passed
    assert sorted(name.removeprefix("approved by ").split(" and ")) == ["ml.pub", "risk.pub"]


def test_the_same_key_twice_approves_once(world: World) -> None:
    world.approve(RISK)
    world.approve(RISK, time=NOW - timedelta(hours=1))
    assert approvals(world)[0] is False


def test_an_approval_for_another_channel_does_not_count(world: World) -> None:
    world.approve(RISK)
    world.approve(ML, "staging")
    passed, _, detail = approvals(world)
    assert not passed
    assert detail == "1 of 2: risk.pub; one approval is for the channel 'staging'"


def test_an_approval_of_another_kit_does_not_count(world: World) -> None:
    other = world.pack("other weights")
    world.approve(RISK)
    world.approve(ML, about=other)
    assert not approvals(world)[0]


def test_approvals_that_are_unsigned_by_strangers_or_dated_in_the_future_do_not_count(world: World) -> None:
    world.approve(RISK)
    world.approve(None)
    world.approve(STRANGER)
    world.approve(ML, time=NOW + timedelta(hours=1))
    passed, _, detail = approvals(world)
    assert not passed
    assert detail == "1 of 2: risk.pub; one approval is dated in the future: 2026-03-01T13:00:00Z"


def test_an_approval_without_channel_or_time_does_not_count(world: World) -> None:
    world.approve(RISK)
    world.attest(APPROVAL, {"channel": "prod"}, key=ML)
    assert not approvals(world)[0]
    world.attest(APPROVAL, {"time": "2026-03-01T11:00:00Z"}, key=ML)
    assert not approvals(world)[0]


def test_nobody_approved(world: World) -> None:
    assert approvals(world)[2] == "0 of 2; no approval signed by risk.pub or ml.pub is attached"

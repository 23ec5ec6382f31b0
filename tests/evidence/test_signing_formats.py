"""The formats of signing: envelopes, statements and bundles, from us, from others and from whoever means harm."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from golden_cases import load_artifact
from hypothesis import example, given, settings
from hypothesis import strategies as st
from signing_tools import KEY, OTHER_KEY

from kitops_core.errors import IntegrityError, InvalidInputError, KitOpsError
from kitops_core.evidence.bundle import build_bundle, parse_bundle
from kitops_core.evidence.dsse import Envelope, pae
from kitops_core.evidence.statement import Statement, Subject, parse_statement, statement_for
from kitops_core.signing.strict_json import parse_object

DIGEST = "sha256:" + "ab" * 32
PAYLOAD = "application/vnd.in-toto+json"

texts = st.text(st.characters(exclude_categories=["Cs"]))
hexes = st.text("0123456789abcdef", min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)
subjects = st.builds(
    Subject, st.dictionaries(texts, hexes, min_size=1, max_size=3), texts, st.dictionaries(texts, values, max_size=2)
)
statements = st.builds(
    Statement, st.lists(subjects, min_size=1, max_size=3).map(tuple), st.text("abc:/", min_size=1), objects
)


def test_pae_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(texts, st.binary(), texts, st.binary())
@example("a 1 b", b"", "a", b"b 0 ")
def test_no_two_envelopes_have_the_same_bytes_to_sign(kind: str, payload: bytes, kind_b: str, payload_b: bytes) -> None:
    assert (pae(kind, payload) == pae(kind_b, payload_b)) is ((kind, payload) == (kind_b, payload_b))


@given(statements)
def test_a_statement_that_is_written_is_read_back_the_same(statement: Statement) -> None:
    raw = statement.to_json()
    assert parse_statement(raw, "it") == statement
    assert parse_statement(raw, "it").to_json() == raw


@given(statements)
@settings(max_examples=30)
def test_a_bundle_that_is_made_is_read_back_and_verifies(statement: Statement) -> None:
    made = build_bundle(Envelope.sign(PAYLOAD, statement.to_json(), KEY), KEY.public.hint)
    read = parse_bundle(made.raw, "it")
    assert read == made
    assert read.envelope.verified_by([OTHER_KEY.public, KEY.public]) == KEY.public
    assert read.envelope.verified_by([OTHER_KEY.public]) is None
    assert read.envelope.verified_by([]) is None
    for changed in (
        Envelope(PAYLOAD + " ", read.envelope.payload, read.envelope.signatures),
        Envelope(PAYLOAD, read.envelope.payload + b" ", read.envelope.signatures),
    ):
        assert changed.verified_by([KEY.public]) is None


def test_what_cosign_wrote_is_read() -> None:
    blobs = load_artifact("signatures/cosign-referrers").blobs.values()
    bundles = [
        parse_bundle(raw, "it") for raw in blobs if raw.startswith(b'{"mediaType":"application/vnd.dev.sigstore')
    ]
    found = [parse_statement(bundle.envelope.payload, "it") for bundle in bundles]
    assert sorted(statement.predicate_type for statement in found) == [
        "https://sigstore.dev/cosign/sign/v1",
        "https://slsa.dev/provenance/v1",
        "https://slsa.dev/verification_summary/v1",
    ]


HONEST = json.loads(build_bundle(Envelope.sign(PAYLOAD, b"{}", KEY), KEY.public.hint).raw)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in HONEST.items() if key != name}


def envelope(**changed: Any) -> dict[str, Any]:
    return {**HONEST, "dsseEnvelope": {**HONEST["dsseEnvelope"], **changed}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "not a JSON object"),
        ({**HONEST, "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"}, "not a Sigstore bundle v0.3"),
        (without("mediaType"), "not a Sigstore bundle v0.3"),
        (without("dsseEnvelope"), "holds no envelope"),
        ({**HONEST, "messageSignature": {}}, "holds no envelope"),
        (without("verificationMaterial"), "'verificationMaterial' must be an object"),
        ({**HONEST, "verificationMaterial": {}}, "one key or certificate is expected, not 0"),
        ({**HONEST, "verificationMaterial": {"publicKey": {}, "certificate": {}}}, "not 2"),
        ({**HONEST, "verificationMaterial": {"certificate": {"rawBytes": "!"}}}, "'rawBytes' must be base64"),
        ({**HONEST, "verificationMaterial": {"x509CertificateChain": {"certificates": []}}}, "chain is empty"),
        (envelope(signatures=[]), "exactly one signature"),
        (envelope(signatures=HONEST["dsseEnvelope"]["signatures"] * 2), "exactly one signature"),
        (envelope(signatures=[{"sig": ""}]), "'sig' must be text"),
        (envelope(payload="e30"), "'payload' must be base64"),
        (envelope(payload="é"), "'payload' must be base64"),
        (envelope(payloadType=None), "'payloadType' must be text"),
        (envelope(payloadType="\ud800"), "'payloadType' must be text"),
    ],
)
def test_what_is_no_bundle_is_refused(data: Any, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        parse_bundle(json.dumps(data).encode(), "it")


GOOD = json.loads(statement_for(DIGEST, "urn:x", {}).to_json())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({**GOOD, "_type": "https://in-toto.io/Statement/v2"}, "not an in-toto statement"),
        ({**GOOD, "subject": []}, "must be a list of 1 to"),
        ({**GOOD, "subject": GOOD["subject"] * 10_001}, "must be a list of 1 to"),
        ({**GOOD, "subject": [1]}, "an object is expected"),
        ({**GOOD, "subject": [{"digest": {}}]}, "must map algorithms to lower-case hex"),
        ({**GOOD, "subject": [{"digest": {"sha256": "AB"}}]}, "lower-case hex"),
        ({**GOOD, "subject": [{"digest": {"sha256": 1}}]}, "lower-case hex"),
        ({**GOOD, "subject": [{"digest": {"sha256": "ab"}, "name": 1}]}, "'name' must be text"),
        ({**GOOD, "predicateType": ""}, "'predicateType' must be text"),
        ({**GOOD, "predicate": []}, "'predicate' must be an object"),
    ],
)
def test_what_is_no_statement_is_refused(data: Any, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        parse_statement(json.dumps(data).encode(), "it")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"a":1,"a":2}', "a key stands twice"),
        (b'{"a":{"b":1,"b":1}}', "a key stands twice"),
        (b'{"a":NaN}', "no JSON number"),
        (b'{"a":-Infinity}', "no JSON number"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "relied on"),
        (b"[" * 100_000, "relied on"),
        ("{}".encode("utf-16"), "relied on"),
        (b"\xef\xbb\xbf{}", "relied on"),
        (b"", "relied on"),
        (b'{"a":"' + b"x" * 1000 + b'"}', "the limit is 1000"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        parse_object(raw, "it", 1000 if b"xxx" in raw else 10**6)


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused_by_an_error_of_ours(raw: bytes) -> None:
    for parse in (parse_bundle, parse_statement):
        with pytest.raises(KitOpsError):
            parse(raw, "it")


@given(st.sampled_from([*HONEST, "certificate", "payload", "sig"]), values)
def test_a_bundle_with_any_field_replaced_is_read_or_refused(name: str, value: Any) -> None:
    def replaced(data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value if key == name else replaced(inner) for key, inner in data.items()}
        return [replaced(inner) for inner in data] if isinstance(data, list) else data

    with suppress(KitOpsError):
        parse_bundle(json.dumps(replaced(HONEST)).encode(), "it")


@pytest.mark.parametrize("predicate", [{"a": float("nan")}, {"a": b"bytes"}, {"a": {1, 2}}, {1: "a", "b": 2}])
def test_a_predicate_that_json_cannot_hold_is_the_callers_mistake(predicate: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be written as JSON"):
        statement_for(DIGEST, "urn:x", predicate).to_json()


def test_a_statement_of_any_order_is_written_the_same() -> None:
    one = statement_for(DIGEST, "urn:x", {"a": 1, "b": {"c": 2, "d": 3}}, "kit")
    other = statement_for(DIGEST, "urn:x", {"b": {"d": 3, "c": 2}, "a": 1}, "kit")
    assert one.to_json() == other.to_json()
    assert base64.b64decode(HONEST["dsseEnvelope"]["payload"]) == b"{}"

"""What is attached to a kit stays and is read by many: no secret gets in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.evidence.inputs import Input
from kitops_core.evidence.secrets import HIDDEN, redact, redact_text, sounds_secret
from kitops_core.evidence.slsa import Provenance, provenance_predicate
from kitops_core.record import Source

word = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~!$&'()*+,;=%-", min_size=1, max_size=30
)
scheme = st.sampled_from(["https", "http", "ssh", "git+https", "s3", "postgresql", "oci"])


@given(scheme, word, st.none() | word)
def test_what_stands_before_the_at_sign_of_a_url_goes(scheme: str, user: str, password: str | None) -> None:
    login = user if password is None else f"{user}:{password}"
    assert redact_text(f"{scheme}://{login}@git.example/a/b.git") == f"{scheme}://git.example/a/b.git"


@given(st.text(), scheme, word)
def test_no_login_is_left_wherever_the_url_stands(before: str, scheme: str, password: str) -> None:
    text = redact_text(f"{before} {scheme}://me:{password}@host.example/x")
    assert text.endswith(f"{scheme}://host.example/x")


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize(
    ("url", "left"),
    [
        (
            "https://b.example/o?X-Amz-Signature=abc&X-Amz-Date=1",
            f"https://b.example/o?X-Amz-Signature={HIDDEN}&X-Amz-Date=1",
        ),
        ("https://b.example/o?sig=abc", f"https://b.example/o?sig={HIDDEN}"),
        ("https://b.example/o?sv=1&access_token=abc", f"https://b.example/o?sv=1&access_token={HIDDEN}"),
        ("https://b.example/o#id_token=abc", f"https://b.example/o#id_token={HIDDEN}"),
        ("https://b.example/run?tab=log", "https://b.example/run?tab=log"),
        ("git@github.com:example/churn.git", "git@github.com:example/churn.git"),
        ("ann@example.com", "ann@example.com"),
        ("https://a.example/@scope/x", "https://a.example/@scope/x"),
    ],
)
def test_queries_lose_what_sounds_secret_and_nothing_else(url: str, left: str) -> None:
    assert redact_text(url) == left


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "dbPassword",
        "db-passwd",
        "passphrase",
        "secret",
        "client_secret",
        "hf_token",
        "HFToken",
        "apiKey",
        "api_key",
        "aws_secret_access_key",
        "AWS_SESSION_TOKEN",
        "privateKey",
        "credentials",
        "Authorization",
        "dbpassword",
        "accessKeyId",
    ],
)
def test_these_names_sound_secret(name: str) -> None:
    assert sounds_secret(name)
    assert redact({name: "x", "deep": [{name: {"a": 1}}]}) == {name: HIDDEN, "deep": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    "name",
    [
        "max_depth",
        "tokenizer",
        "pad_token",
        "eos_token",
        "max_tokens",
        "num_tokens",
        "key",
        "keys",
        "primary_key",
        "secretary",
        "passes",
    ],
)
def test_these_names_are_of_models_and_stay(name: str) -> None:
    assert redact({name: "x"}) == {name: "x"}


def test_a_count_of_tokens_is_no_secret_but_a_number_may_be_a_password() -> None:
    assert redact({"tokens_seen": 10_000, "use_auth_token": True, "pin_passcode": 1234}) == {
        "tokens_seen": 10_000,
        "use_auth_token": True,
        "pin_passcode": HIDDEN,
    }


@pytest.mark.parametrize(
    "value",
    [
        "ghp_abcdefghijklmnop1234",
        "glpat-abcdefghijklmnop12",
        "hf_abcdefghijklmnopqrst",
        "Bearer abc.def-ghi12345",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4",
        "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----",
    ],
)
def test_well_known_tokens_go_wherever_they_stand(value: str) -> None:
    assert redact({"note": f"use {value} here"}) == {"note": f"use {HIDDEN} here"}


def test_no_part_of_a_provenance_statement_carries_a_secret() -> None:
    secret = "hunter2hunter2"
    provenance = Provenance(
        parameters={"db": f"postgres://me:{secret}@db/x", "api_key": secret, "n": 1},
        builder=f"https://u:{secret}@ci.example/builder",
        repository=f"https://{secret}@git.example/a.git",
        commit="a" * 40,
    )
    source = Source(run=f"https://x:{secret}@ci/run/1", url=f"https://ci.example/run/1?token={secret}")
    inputs = [Input(f"https://u:{secret}@data.example/a?sig={secret}", name=f"https://u:{secret}@data")]
    written = json.dumps(provenance_predicate(provenance, source, inputs))
    assert secret not in written
    assert '"n": 1' in written

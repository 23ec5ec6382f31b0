"""The rules behind the registry storage: challenges, hosts and locations, waiting, redaction, credential files."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import InvalidInputError, RegistryError
from kitops_core.oci.referrers_tag import fallback_tag, is_referrers_tag, own_tag, referrer_of, subject_of
from kitops_core.reference import check_tag
from kitops_core.storage.registry.auth import merge_scopes
from kitops_core.storage.registry.challenge import Challenge, parse_challenges
from kitops_core.storage.registry.credentials import Credential, find_credential
from kitops_core.storage.registry.failures import read_problem, read_warnings, retry_after
from kitops_core.storage.registry.hosts import api_repository, base_url, follow, is_loopback, origin
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.redact import clean_text, redact_url

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=10)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            [
                'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
            ],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (["Basic realm=unquoted , charset=UTF-8"], [Challenge("basic", {"realm": "unquoted", "charset": "UTF-8"})]),
        (
            ['Negotiate, Bearer realm="r", Basic realm="b"'],
            [Challenge("negotiate"), Challenge("bearer", {"realm": "r"}), Challenge("basic", {"realm": "b"})],
        ),
        (["Negotiate", 'BASIC Realm="a \\"b\\""'], [Challenge("negotiate"), Challenge("basic", {"realm": 'a "b"'})]),
        (['Bearer realm="r",scope=""'], [Challenge("bearer", {"realm": "r", "scope": ""})]),
        ([""], []),
    ],
)
def test_challenges_are_read(headers: list[str], expected: list[Challenge]) -> None:
    assert parse_challenges(headers) == expected


@given(st.lists(st.tuples(TOKEN, st.dictionaries(TOKEN, VALUE, min_size=1, max_size=4)), min_size=1, max_size=3))
def test_challenges_are_read_back_as_they_were_written(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(f"{s} " + ", ".join(f"{k}={quoted(v)}" for k, v in p.items()) for s, p in challenges)
    assert parse_challenges([text]) == [Challenge(s, p) for s, p in challenges]


@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_header_breaks_the_reader(headers: list[str]) -> None:
    parse_challenges(headers)


def test_scopes_are_merged_by_resource_in_order() -> None:
    first = ["repository:a:pull", "registry:catalog:*"]
    second = ["repository:a:pull,push", "repository:h:5000/b:pull"]
    assert merge_scopes(first, second) == (
        "repository:a:pull,push",
        "registry:catalog:*",
        "repository:h:5000/b:pull",
    )


@pytest.mark.parametrize(
    ("registry", "options", "url"),
    [
        ("ghcr.io", {}, "https://ghcr.io"),
        ("docker.io", {}, "https://registry-1.docker.io"),
        ("index.docker.io", {}, "https://registry-1.docker.io"),
        ("localhost:5000", {}, "http://localhost:5000"),
        ("127.8.9.1:5000", {}, "http://127.8.9.1:5000"),
        ("[::1]:5000", {}, "http://[::1]:5000"),
        ("registry.localhost:80", {}, "http://registry.localhost:80"),
        ("localhost:5000", {"plain_http": False}, "https://localhost:5000"),
        ("localhost:5000", {"ca_file": Path("ca.pem")}, "https://localhost:5000"),
        ("registry.example.org", {"plain_http": True}, "http://registry.example.org"),
        ("10.0.0.1:5000", {}, "https://10.0.0.1:5000"),
    ],
)
def test_plain_http_is_for_loopback_or_on_request(registry: str, options: dict[str, object], url: str) -> None:
    assert base_url(registry, RegistryOptions(**options)) == url  # type: ignore[arg-type]


def test_docker_hub_keeps_short_names_below_library() -> None:
    assert api_repository("docker.io", "llama") == "library/llama"
    assert api_repository("docker.io", "me/llama") == "me/llama"
    assert api_repository("ghcr.io", "llama") == "llama"


def test_loopback_is_not_guessed_from_a_prefix() -> None:
    assert not is_loopback("localhost.example.org")
    assert not is_loopback("127.0.0.1.example.org:5000")


@pytest.mark.parametrize(
    ("start", "location", "url"),
    [
        ("https://r.io/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1?_state=a%2Fb==", "https://r.io/v2/a/blobs/uploads/1?_state=a%2Fb=="),
        ("https://r.io/v2/a/blobs/uploads/", "1?x", "https://r.io/v2/a/blobs/uploads/1?x"),
        ("https://r.io/v2/", "//s.io/x", "https://s.io/x"),
        ("https://r.io:443/v2/", "https://r.io/x", "https://r.io/x"),
        ("https://r.io/v2/", "http://r.io/x", "https://r.io/x"),
        ("https://r.io:443/v2/", "http://r.io:443/x", "https://r.io:443/x"),
        ("https://r.io/v2/", "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1", "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1"),
        ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
        ("http://10.0.0.1/v2/", "https://10.0.0.2/x", "https://10.0.0.2/x"),
        ("https://r.io/v2/", "/x#fragment", "https://r.io/x"),
    ],
)  # fmt: skip
def test_locations_are_followed(start: str, location: str, url: str) -> None:
    assert follow(start, location) == url


@pytest.mark.parametrize(
    "location",
    [
        "http://other.io/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "file:///etc/passwd",
        "https://user:secret@other.io/x",
        "https://other.io:port/x",
    ],
)
def test_locations_that_are_traps_are_not_followed(location: str) -> None:
    with pytest.raises(RegistryError) as caught:
        follow("https://r.io/v2/", location)
    assert "secret" not in str(caught.value)


def test_a_default_port_equals_none() -> None:
    assert origin("https://r.io:443/x") == origin("https://r.io/y")
    assert origin("https://r.io:444/x") != origin("https://r.io/y")


@pytest.mark.parametrize(
    ("value", "seconds"), [("", 0), ("7", 7), ("3600", 3600), ("-1", 0), ("soon", 0), (formatdate(0, usegmt=True), 0)]
)
def test_retry_after_is_read_and_bounded(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_a_retry_after_date_far_away_is_bounded() -> None:
    assert retry_after({"retry-after": formatdate(4e9, usegmt=True)}) == 24 * 3600


def test_warnings_are_read() -> None:
    lines = ['299 - "moves \\"soon\\""', '199 - "misc", 299 example.org "second"']
    assert read_warnings(lines) == ['moves "soon"', "second"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"errors": []}', b'{"errors": [1]}', b"\xff\xfe", b"plain"])
def test_any_error_body_is_read(body: bytes) -> None:
    assert read_problem(500, {}, body).status == 500


@given(st.binary(max_size=200))
def test_no_error_body_breaks_the_reader(body: bytes) -> None:
    assert str(read_problem(500, {"content-type": "x"}, body)).startswith("500")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://user:pw@host/p?sig=abc#x now", "see https://host/p?... now"),
        ("got Bearer eyJhbGciOi.abc-123 here", "got Bearer *** here"),
        ("a\x1b[31m\nb", "a [31m b"),
    ],
)
def test_secrets_and_terminal_codes_are_taken_out(text: str, shown: str) -> None:
    assert clean_text(text) == shown


def test_a_url_without_secrets_stays() -> None:
    assert redact_url("https://host:5000/v2/a") == "https://host:5000/v2/a"


def test_options_show_no_secrets_and_want_pairs() -> None:
    secrets = {"password": "s1", "token": "s2", "identity_token": "s3", "proxy": "http://u:s4@p"}
    shown = repr(RegistryOptions(username="me", **secrets))
    assert not [secret for secret in ("s1", "s2", "s3", "s4") if secret in shown]
    assert "s1" not in repr(Credential("me", "s1", "s2", "s3"))
    tls_key = {"tls_key": Path("k")}
    waits: tuple[dict[str, Any], ...] = ({"keep_trying": -1}, {"backoff": 0}, {"timeout": 0})
    for wrong in ({"username": "me"}, {"password": "x"}, tls_key, *waits):
        with pytest.raises(InvalidInputError):
            RegistryOptions(**wrong)  # type: ignore[arg-type]


def test_tags_of_referrers_are_told_from_versions() -> None:
    tag = fallback_tag("sha256:" + "a" * 64)
    assert is_referrers_tag(tag)
    assert is_referrers_tag(f"{tag}.sig")
    assert not is_referrers_tag("sha256-abc")
    assert not is_referrers_tag(f"{tag}-mine")


SHA256 = st.binary(min_size=32, max_size=32).map(lambda value: f"sha256:{value.hex()}")
SHA512 = st.binary(min_size=64, max_size=64).map(lambda value: f"sha512:{value.hex()}")


@given(SHA256 | SHA512, SHA256)
def test_the_own_tag_of_a_referrer_names_it_and_its_subject(subject: str, referrer: str) -> None:
    tag = own_tag(subject, referrer)
    assert check_tag(tag) == tag
    assert is_referrers_tag(tag)
    assert tag.startswith(f"{fallback_tag(subject)}.")
    assert referrer_of(tag, subject) == referrer
    assert subject_of(tag) == (subject if subject.startswith("sha256:") else "")


@given(SHA256, SHA256, SHA256, st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=51, max_size=53))
def test_no_other_tag_is_taken_for_the_own_tag_of_a_referrer(one: str, other: str, referrer: str, text: str) -> None:
    if one != other:
        assert referrer_of(own_tag(other, referrer), one) == ""
    for tag in (fallback_tag(one), f"{fallback_tag(one)}.sig", "v1", "", f"{own_tag(one, referrer)}.x"):
        assert referrer_of(tag, one) == ""
    named = referrer_of(f"{fallback_tag(one)}.{text}", one)  # base32 has several spellings, of which we use one
    assert named == "" or own_tag(one, named) == f"{fallback_tag(one)}.{text}"


@given(SHA512)
def test_a_longer_digest_is_cut_as_the_spec_says_so_that_its_fallback_tag_is_a_tag(digest: str) -> None:
    assert fallback_tag(digest) == f"sha512-{digest[7:71]}"
    assert check_tag(fallback_tag(digest))
    assert is_referrers_tag(fallback_tag(digest))


# --- credential files ------------------------------------------------------------------------------------------


def auth(user: str, password: str = "pw") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def found(auths: object, registry: str, repository: str, path: Path) -> Credential | None:
    path.write_text(json.dumps({"auths": auths}))
    return find_credential(registry, repository, RegistryOptions(credential_files=(path,))).credential


@pytest.mark.parametrize(
    ("names", "registry"),
    [
        (["ghcr.io"], "ghcr.io"),
        (["https://ghcr.io"], "ghcr.io"),
        (["https://ghcr.io/v2/"], "ghcr.io"),
        (["https://index.docker.io/v1/"], "docker.io"),
        (["docker.io"], "registry-1.docker.io"),
    ],
)
def test_an_entry_is_found_under_the_names_tools_write(names: list[str], registry: str, tmp_path: Path) -> None:
    credential = found({name: auth("me") for name in names}, registry, "a/b", tmp_path / "c.json")
    assert credential is not None
    assert (credential.username, credential.password) == ("me", "pw")


def test_the_entry_for_the_longest_part_of_the_name_wins(tmp_path: Path) -> None:
    auths = {"quay.io": auth("host"), "quay.io/team": auth("team"), "quay.io/team/model": auth("model")}
    for repository, user in (("team/model", "model"), ("team/other", "team"), ("teams/x", "host"), ("", "host")):
        credential = found(auths, "quay.io", repository, tmp_path / "c.json")
        assert credential is not None
        assert credential.username == user


def test_a_password_may_have_colons_and_an_entry_may_be_plain(tmp_path: Path) -> None:
    credential = found({"r.io": auth("me", "a:b:c")}, "r.io", "x", tmp_path / "c.json")
    assert credential is not None
    assert credential.password == "a:b:c"
    credential = found({"r.io": {"username": "me", "password": "pw"}}, "r.io", "x", tmp_path / "c.json")
    assert credential is not None
    assert credential.password == "pw"


def test_tokens_in_a_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    identity = found({"r.io": {**auth("0000"), "identitytoken": "idt"}}, "r.io", "x", path)
    assert identity is not None
    assert identity.identity_token == "idt"
    bearer = found({"r.io": {"registrytoken": "rt"}}, "r.io", "x", path)
    assert bearer is not None
    assert bearer.registry_token == "rt"
    encoded = found({"r.io": auth("<token>", "idt")}, "r.io", "x", path)
    assert encoded is not None
    assert (encoded.identity_token, encoded.password) == ("idt", "")


@pytest.mark.parametrize("entry", [{}, {"auth": ""}, {"auth": "!!"}, {"auth": "bm9jb2xvbg=="}, {"auth": 5}, "text"])
def test_an_entry_without_a_secret_is_none(entry: object, tmp_path: Path) -> None:
    assert found({"r.io": entry}, "r.io", "x", tmp_path / "c.json") is None


def test_the_first_file_that_knows_the_host_wins(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [
        tmp_path / "named.json",
        home / "kitops" / "credentials.json",
        home / ".docker" / "config.json",
        home / ".config" / "containers" / "auth.json",
    ]
    for index, path in enumerate(places):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"auths": {"r.io": auth(f"user{index}")}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(places[0]))
    for index, path in enumerate(places):
        credential = find_credential("r.io", "x", RegistryOptions()).credential
        assert credential is not None
        assert (credential.username, credential.source) == (f"user{index}", str(path))
        path.unlink()
    assert find_credential("r.io", "x", RegistryOptions()).credential is None


def test_a_broken_file_is_noted_and_a_named_one_refused(home: Path, tmp_path: Path) -> None:
    path = home / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text("{ broken")
    lookup = find_credential("r.io", "x", RegistryOptions())
    assert lookup.credential is None
    assert str(path) in lookup.notes[0]
    for wrong in (path, tmp_path / "missing.json"):
        with pytest.raises(InvalidInputError, match=wrong.name):
            find_credential("r.io", "x", RegistryOptions(credential_files=(wrong,)))


def test_a_helper_name_cannot_name_a_path(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker-credential-a").mkdir()
    program = tmp_path / "evil"
    program.write_text("#!/bin/sh\necho ran >> ran\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    path = home / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"credsStore": "a/../evil"}))
    lookup = find_credential("r.io", "x", RegistryOptions())
    assert lookup.credential is None
    assert "not on PATH" in lookup.notes[0]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from kitops_core.storage.registry import RegistryOptions", ["urllib3", "oras", "requests", "pydantic"]),
        ("from kitops_core.storage.registry import RegistryRepository", ["oras", "requests", "pydantic"]),
    ],
)
def test_what_is_not_used_is_not_imported(code: str, absent: list[str]) -> None:
    script = f"import sys\n{code}\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

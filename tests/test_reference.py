"""References follow the OCI grammar and the reference CLI's rule for what is a registry."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import InvalidReferenceError
from kitops_core.reference import Reference, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("registry.example.com/ml/my-model:1.0", "registry.example.com", "ml/my-model", "1.0", ""),
        ("127.0.0.1:5000/a", "127.0.0.1:5000", "a", "", ""),
        ("[::1]:5000/a:b", "[::1]:5000", "a", "b", ""),
        ("my-model:dev", "localhost", "my-model", "dev", ""),
        ("team/my-model", "localhost", "team/my-model", "", ""),
        ("localhost/b:1", "localhost", "localhost/b", "1", ""),
        ("localhost:5000/b:1", "localhost:5000", "b", "1", ""),
        (f"ghcr.io/a/b@{DIGEST}", "ghcr.io", "a/b", "", DIGEST),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
    ],
)
def test_the_parts_of_a_reference(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    assert parse_reference(text) == Reference(registry, repository, tag, digest)
    assert str(parse_reference(text)) == text


def test_a_layout_is_a_directory_with_an_optional_tag() -> None:
    assert parse_reference("oci:some/dir:1.0") == Reference("", "", "1.0", layout="some/dir")
    assert parse_reference("oci:/a:b/c") == Reference("", "", layout="/a:b/c")
    assert str(parse_reference("oci:some/dir:1.0")) == "oci:some/dir:1.0"


def test_a_digest_decides_over_a_tag_and_latest_is_the_default() -> None:
    assert parse_reference(f"a:1@{DIGEST}").target == DIGEST
    assert parse_reference("a:1").target == "1"
    assert parse_reference("a").target == "latest"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a ModelKit reference"),
        ("Model:1", "lower case"),
        ("a b/c", "not a ModelKit reference"),
        ("host.example/../etc", "not a ModelKit reference"),
        ("a:", "not a valid tag"),
        ("a:-x", "not a valid tag"),
        ("a:" + "x" * 129, "not a valid tag"),
        ("a@sha256:12", "not a digest"),
        ("a@", "not a digest"),
        ("a@md5:" + "a" * 32, "not a digest"),
        ("ex_ample.com/a", "not a registry host"),
        ("user:secret@host.example/a", "not a digest"),
        ("oci::tag", "names no directory"),
        ("a\n", "not a ModelKit reference"),
        ("https://host.example/a:1", "not a"),
        ("localhost:99999/x:1", "no port 99999"),
        ("localhost:0/x:1", "no port 0"),
        ("a" * 100_000, "a name of 100010 characters"),
        ("host.example/" + "a/" * 50_000 + "a", "a name of"),
        ("a" * 100_000 + ".example/x", "not a registry host"),
        ("a:" + "x" * 100_000, "not a valid tag"),
        ("a@sha256:" + "0" * 100_000, "not a digest"),
        ("oci:" + "a" * 100_000, "a path of 100000 characters"),
    ],
)
def test_what_is_not_a_reference_is_refused_with_a_way_out(text: str, said: str) -> None:
    with pytest.raises(InvalidReferenceError, match=said) as caught:
        parse_reference(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 500


names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=10)


@given(host=names, port=st.integers(1, 65535), path=st.lists(names, min_size=1, max_size=3), tag=names)
def test_writing_and_reading_a_reference_gives_the_same(host: str, port: int, path: list[str], tag: str) -> None:
    text = f"{host}:{port}/{'/'.join(path)}:{tag}"
    assert str(parse_reference(text)) == text


def test_a_name_may_be_as_long_as_registries_take() -> None:
    longest = "host.example/" + "a" * (255 - len("host.example/"))
    assert str(parse_reference(f"{longest}:1")) == f"{longest}:1"
    with pytest.raises(InvalidReferenceError, match="256 characters"):
        parse_reference(longest + "a")


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReferenceError:
        return
    assert parse_reference(str(reference)) == reference

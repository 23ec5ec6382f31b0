"""Names of an orchestrator become repositories, tags and asset keys; no two share one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import InvalidReferenceError
from kitops_core.orchestrate.names import asset_key, complete, page_of, repository_of, tag_of
from kitops_core.reference import check_tag, parse_reference

AWKWARD = ["a", "A", "a_b", "a-b", "a/b", "a|b", "a.b", "a b", "日本", "日木", "", ".", "-a", "_a", "a__b", "a___b"]


@pytest.mark.parametrize(
    ("path", "repository"),
    [(["churn"], "churn"), (["ml", "churn"], "ml/churn"), (["team_a", "churn-v2"], "team_a/churn-v2")],
)
def test_a_legal_asset_key_is_its_repository(path: list[str], repository: str) -> None:
    assert repository_of(path) == repository


def test_the_whole_asset_key_counts() -> None:
    assert repository_of(["blue", "churn"]) != repository_of(["green", "churn"])


def test_no_two_asset_keys_share_a_repository_and_each_is_legal() -> None:
    keys = [list(parts) for length in (1, 2) for parts in product(AWKWARD, repeat=length)]
    repositories = {repository_of(key) for key in keys}
    assert len(repositories) == len(keys)
    for repository in repositories:
        reference = parse_reference(repository)
        assert reference.is_local_name
        assert reference.repository == repository


def test_a_key_that_looks_like_a_host_stays_in_the_store() -> None:
    assert parse_reference(repository_of(["registry.example.com", "churn"])).is_local_name


def test_a_long_key_stays_within_what_registries_take() -> None:
    assert len(repository_of(["x" * 500])) < 100
    assert repository_of(["x" * 500]) != repository_of(["x" * 501])


@pytest.mark.parametrize("key", ["2026-01-02", "us", "v1.2_rc", "2026-01-02-00"])
def test_a_legal_partition_key_is_its_tag(key: str) -> None:
    assert tag_of(key) == key


def test_a_partition_key_that_is_no_tag_stays_readable() -> None:
    tag = tag_of("2026-01-02|us")
    assert tag.startswith("2026-01-02_us-")
    assert tag == tag_of("2026-01-02|us")


def test_no_two_partition_keys_share_a_tag_and_each_is_legal() -> None:
    keys = [*AWKWARD, *("".join(pair) for pair in product(AWKWARD, AWKWARD)), "x" * 300, "x" * 301]
    keys = list(dict.fromkeys([*keys, *(tag_of(key) for key in keys)]))
    assert len({check_tag(tag_of(key)) for key in keys}) == len(keys)


@given(st.sets(st.text(), min_size=2, max_size=8))
def test_partitions_of_any_text_have_tags_of_their_own(keys: set[str]) -> None:
    keys |= {tag_of(key) for key in keys}
    assert len({check_tag(tag_of(key)) for key in keys}) == len(keys)


@given(st.sets(st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple), min_size=2, max_size=6))
def test_assets_of_any_key_have_repositories_of_their_own(keys: set[tuple[str, ...]]) -> None:
    repositories = [repository_of(key) for key in keys]
    assert len(set(repositories)) == len(keys)
    assert all(parse_reference(repository).is_local_name for repository in repositories)


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("churn", "registry.example.com/ml/churn"),
        ("team/churn:1.0", "registry.example.com/ml/team/churn:1.0"),
        ("other.example.com/churn:1", "other.example.com/churn:1"),
        ("oci:kits:1", "oci:kits:1"),
        (f"churn@sha256:{'a' * 64}", f"registry.example.com/ml/churn@sha256:{'a' * 64}"),
    ],
)
def test_a_reference_without_a_registry_is_below_the_connections(text: str, completed: str) -> None:
    assert str(complete(text, "registry.example.com", "ml")) == completed
    assert str(complete(text, "registry.example.com", "/ml/")) == completed


def test_without_a_registry_a_name_is_local() -> None:
    assert complete("churn:1", "").is_local_name
    assert str(complete("churn:1", "registry.example.com")) == "registry.example.com/churn:1"


def test_an_asset_is_a_repository_or_one_tag_of_it() -> None:
    for reference in ("Registry.example.com/ml/churn", f"registry.example.com/ml/churn:1@sha256:{'a' * 64}"):
        assert asset_key(parse_reference(reference)) == "oci://registry.example.com/ml/churn"
    prod = asset_key(parse_reference("registry.example.com/ml/churn"), "prod")
    assert prod == "oci://registry.example.com/ml/churn?tag=prod"


def test_an_asset_key_that_no_orchestrator_takes_is_refused_and_said() -> None:
    with pytest.raises(InvalidReferenceError, match=r"has 6\d\d characters, and 512 are taken"):
        asset_key(parse_reference(f"oci:{'a' * 600}"))
    assert asset_key(parse_reference("oci:my kits\n")) == "oci://my-kits-"


@pytest.mark.parametrize(
    ("reference", "page"),
    [
        ("registry.example.com/ml/churn:dev", "https://registry.example.com/ml/churn"),
        ("127.0.0.1:5000/ml/churn:dev", ""),
        ("churn:dev", ""),
        ("oci:/srv/kits:dev", ""),
    ],
)
def test_the_page_of_a_repository_is_where_others_can_look(reference: str, page: str) -> None:
    assert page_of(parse_reference(reference)) == page

"""What tables tell of a version, and in which order versions stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lineages import churn, claim

from kitops_core.catalogs.kits import Version, natural, newest_first, version_of
from kitops_core.catalogs.site import kit_path
from kitops_core.lineages.graph import Graph


def made(graph: Graph | None = None, *tags: str) -> Version:
    return version_of(graph or churn(), tags, "fact")


def changed(**fields: object) -> Graph:
    """The graph of a kit whose node has other fields."""
    graph = churn()
    root = replace(graph.node(graph.root), **fields)  # type: ignore[arg-type]
    return Graph(graph.root, (root, *graph.nodes[1:]), graph.edges, graph.keys)


def test_a_graph_is_read_back_as_it_was_written() -> None:
    assert Graph.from_dict(churn().to_dict()) == Graph(**vars(churn()))


def test_a_version_in_few_words() -> None:
    version = made(None, "v10", "v2")
    assert (version.name, version.version, version.license) == ("churn", "2.4.0", "Apache-2.0")
    assert version.tags == ("v2", "v10")
    assert version.metrics["accuracy"] == ("0.941", "signed by ci.pub")
    assert version.pipelines == (("airflow", "train_churn"),)
    assert [parent.reference.partition(":7@")[0] for parent in version.parents] == ["registry.example.com/ml/base"]
    assert [(move.channel, move.signed) for move in version.moves] == [("staging", True), ("prod", False)]


def test_the_time_is_that_of_the_build_then_of_the_manifest_then_of_what_was_attached_first() -> None:
    built = made()
    assert built.time == datetime(2026, 11, 23, 1, 12, 40, tzinfo=timezone.utc)
    signature = (claim("signature", "4"),)
    dated = made(changed(claims=signature, created="2026-01-01T00:00:00Z"))
    assert dated.time == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert made(changed(claims=signature)).time == datetime(2026, 11, 23, 18, tzinfo=timezone.utc)
    assert made(changed(claims=())).time is None


def test_a_measurement_by_a_key_that_was_given_counts_more_than_a_later_one_by_nobody() -> None:
    trusted = claim("test result", "6", signer="ci.pub", metric__accuracy="0.9", time="2026-01-01T00:00:00Z")
    later = claim("test result", "7", signed=False, metric__accuracy="1", time="2026-02-01T00:00:00Z")
    assert made(changed(claims=(trusted, later))).metrics["accuracy"][0] == "0.9"


def test_what_a_kitfile_says_is_cut_where_it_is_endless() -> None:
    endless = "x" * 100_000
    package = {"description": endless, "license": endless}
    version = made(changed(name=endless, version=endless, package=package))
    assert max(map(len, (version.title, version.name, version.license))) == 100
    assert len(version.description) == 2000


def test_the_newest_stands_first_and_what_has_no_time_last_by_its_number() -> None:
    one = made()
    timeless = [replace(one, digest=name, version=name, time=None) for name in ("1.9", "1.10")]
    dated = [replace(one, digest=str(day), time=datetime(2026, 1, day, tzinfo=timezone.utc)) for day in (1, 2)]
    ordered = newest_first([timeless[0], dated[0], timeless[1], dated[1]])
    assert [version.digest for version in ordered] == ["2", "1", "1.10", "1.9"]


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_texts_can_be_sorted_as_people_count(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(texts, key=natural) == sorted(backwards, key=natural)


@pytest.mark.parametrize("name", ["r.example.com:5000/a/b", "r.example.com/a~b", "[::1]:5000/a"])
def test_the_folder_of_a_kit_is_one_step_deep_and_needs_no_escaping(name: str) -> None:
    assert kit_path(name).count("/") == 1
    assert not set(kit_path(name)) & set(':[]%? "')

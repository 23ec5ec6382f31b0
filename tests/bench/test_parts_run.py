"""The benchmarks' own commands are the ones that `kitops` has today: each part runs, small and once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import kitops_core as kitops
from benchmarks import catalog, link, promotion, shards
from benchmarks.bench import KITOPS, MIB, Bench

pytestmark = pytest.mark.slow
TOOLS = os.environ["PATH"]


@pytest.fixture
def bench(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A few small layers, and no peers but what a system has."""
    monkeypatch.setattr(link, "LAYERS", 3)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return Bench(tmp_path, registry, rounds=1)


@pytest.mark.parametrize("part", [link.layers, link.layers_back, link.promote], ids=lambda part: part.__name__)
def test_a_part_of_the_link_runs_and_says_which_peers_it_missed(bench: Bench, part: object) -> None:
    assert callable(part)
    part(bench)
    compared = [row for row in bench.rows if row.against]
    assert compared
    for row in compared:
        peer = row.against.split()[0].partition(",")[0]
        assert shutil.which(peer) or row.measured == f"not measured: no `{peer}` on PATH"


def test_shards_are_packed_by_several_workers_and_assembled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARDS", 4)
    monkeypatch.setattr(shards, "SIZE", 1000)
    shards.shards(bench)
    assert len(bench.rows) == len(shards.WORKERS)
    with kitops.open(f"{bench.registry}/shards-4-0:1", where="registry") as kit:
        assert len(kit.record().layers) == 4


def test_requests_and_bytes_of_promotions_are_counted(registry: str, tmp_path: Path) -> None:
    costs = promotion.within(tmp_path / "within", KITOPS, registry, 2 * MIB)
    assert len(costs) == 4
    assert all(requests >= in_a_row > 0 and sent == 0 for requests, in_a_row, sent in costs.values())


def test_a_catalogue_of_many_kits_is_timed_and_its_requests_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"KITS": 3, "VERSIONS": 2, "FEW_KITS": 2, "FEW_VERSIONS": 5}.items():
        monkeypatch.setattr(catalog, name, value)
    monkeypatch.setenv("PATH", os.environ["PATH"] + os.pathsep + TOOLS)
    catalog.catalog(bench)
    first, again = (float(row.measured) for row in bench.rows[:2])
    assert 5 <= first <= 6.5  # a tag, a Kitfile, a list, a referrer and its statement, and what a repository costs
    assert 2 <= again <= 3.5
    assert len(bench.rows) == 6

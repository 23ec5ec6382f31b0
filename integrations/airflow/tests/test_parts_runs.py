"""A kit packed in parts by mapped tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from dag_runs import dag, events, result, run, states

import kitops_core as kitops
from kitops_airflow import KitAssembleOperator, KitPackLayersOperator, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")

SHARDS = [f"shard-{number}.bin" for number in range(3)]
KITFILE = {
    "manifestVersion": "1.0.0",
    "package": {"name": "large"},
    "model": {"path": SHARDS[0], "parts": [{"path": shard} for shard in SHARDS[1:]]},
}


def test_mapped_tasks_pack_the_shards_and_one_makes_the_kit_with_the_digest_of_one_pack(
    registry: str, tmp_path: Path
) -> None:
    for number, shard in enumerate(SHARDS):
        (tmp_path / shard).write_bytes(bytes([number]) * 10_000)
    large = modelkit_asset(f"{registry}/parts/large")
    with dag("parts") as made:
        parts = KitPackLayersOperator.partial(
            task_id="shard", source=str(tmp_path), reference=f"{registry}/parts/large", kitfile=KITFILE
        ).expand(entries=SHARDS)
        KitAssembleOperator(task_id="kit", layers=parts.output, asset=large, tags=["1.0"], kitfile=KITFILE)
    dag_run = run(made)
    assert set(states(dag_run).values()) == {"success"}

    record = result(dag_run, "kit")
    kitfile = kitops.Kitfile.parse(json.dumps(KITFILE))
    assert record["digest"] == kitops.pack(tmp_path, "large:1.0", kitfile=kitfile).digest
    assert [extra["digest"] for extra in events(large.uri)] == [record["digest"]]
    with kitops.open(f"{registry}/parts/large:1.0") as kit:
        assert kit.read(SHARDS[2]) == bytes([2]) * 10_000


def test_a_part_that_is_missing_is_named(registry: str, tmp_path: Path, said: Callable[[], str]) -> None:
    for shard in SHARDS:
        (tmp_path / shard).write_bytes(b"weights")
    with dag("parts_missing") as made:
        parts = KitPackLayersOperator(
            task_id="shard",
            source=str(tmp_path),
            reference=f"{registry}/parts/missing",
            entries=SHARDS[:2],
            kitfile=KITFILE,
        )
        KitAssembleOperator(
            task_id="kit", layers=parts.output, reference=f"{registry}/parts/missing:1.0", kitfile=KITFILE
        )
    assert states(run(made)) == {"shard": "success", "kit": "failed"}
    assert SHARDS[2] in said()

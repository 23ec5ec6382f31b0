"""Kits packed by task runs in threads, in processes and on a Dask cluster: the same asset, event and digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import write_bundle
from prefect import flow, unmapped
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from runs import events_of, repository

import kitops_core as kitops
from prefect_kitops import (
    ModelKitRef,
    assemble_modelkit,
    materialize_modelkit,
    pack_modelkit,
    pack_modelkit_layers,
)

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]
SUCCEEDED = "prefect.asset.materialization.succeeded"


def dask() -> Any:
    from prefect_dask import DaskTaskRunner

    return DaskTaskRunner(
        cluster_kwargs={"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": True}
    )


def ray() -> Any:
    from prefect_ray import RayTaskRunner

    return RayTaskRunner()  # on the cluster that is there


RUNNERS = {
    "threads": lambda: ThreadPoolTaskRunner(max_workers=2),
    "processes": lambda: ProcessPoolTaskRunner(max_workers=2),
    "dask": dask,
    "ray": ray,
}


@pytest.fixture(scope="session")
def ray_cluster(prefect_server: None) -> Iterator[None]:
    """One cluster for all tests: in one process Ray does not start a second one."""
    pytest.importorskip("prefect_ray", reason="the dependency group engines is not installed")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")  # a loaded machine takes its time
    import ray

    ray.init(num_cpus=2, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Any:
    """Each of the task runners, ready to be used."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return RUNNERS[request.param]()


def test_mapped_tasks_materialize_one_kit_each(runner: Any, registry: str, tmp_path: Path) -> None:
    name = repository(registry)
    sources = [write_bundle(tmp_path / f"m{index}", bytes([index])) for index in range(2)]

    @materialize_modelkit(f"{name}:all", card=False)
    def together(parts: list[ModelKitRef]) -> kitops.Contents:
        model = tmp_path / "all.txt"
        model.write_text("\n".join(part.digest for part in parts))
        return kitops.Contents(model=model, name="all")

    @flow(task_runner=runner)
    def train() -> list[ModelKitRef]:
        parts = pack_modelkit.map(sources, [f"{name}-{index}:dev" for index in range(2)], card=False)
        return [*parts.result(), together.submit(parts).result()]

    *parts, whole = train()
    here = [kitops.pack(source, f"here-{index}:dev").digest for index, source in enumerate(sources)]
    assert [part.digest for part in parts] == here
    for kit in (*parts, whole):
        found = [event for event in events_of(kit.asset_key, wait_for=SUCCEEDED) if event["event"] == SUCCEEDED]
        assert [event["payload"]["digest"] for event in found] == [kit.digest]
    upstream = {item["prefect.resource.id"] for item in found[0]["related"] if item["prefect.resource.role"] == "asset"}
    assert upstream == {part.asset_key for part in parts}


def test_shards_packed_by_mapped_tasks_make_the_kit_of_one_pack(runner: Any, registry: str, tmp_path: Path) -> None:
    name = repository(registry)
    shards = [f"shard-{index}.bin" for index in range(3)]
    model = tmp_path / "model"
    model.mkdir()
    for index, shard in enumerate(shards):
        (model / shard).write_bytes(bytes([index]) * 10_000)
    kitfile = model / "Kitfile"
    kitfile.write_text(
        "manifestVersion: 1.0.0\npackage: {name: large}\n"
        f"model: {{path: {shards[0]}, parts: [{{path: {shards[1]}}}, {{path: {shards[2]}}}]}}\n"
    )

    @flow(task_runner=runner)
    def train() -> ModelKitRef:
        parts = pack_modelkit_layers.map(unmapped(model), f"{name}:dev", shards)
        return assemble_modelkit(f"{name}:dev", parts, kitfile=kitfile, card=False)

    kit = train()
    assert kit.digest == kitops.pack(model, "large:dev").digest
    with kitops.open(kit.reference, where="registry") as there:
        assert there.read(shards[2]) == b"\x02" * 10_000

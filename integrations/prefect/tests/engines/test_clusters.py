"""Prefect on Dask, on Ray and on a work pool, with workers that share nothing: what docs/cluster.md shows."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from held_pushes import held_pushes
from machines import Machine
from prefect.client.schemas.objects import FlowRun
from prefect_cluster import SHARDS, Cluster, prefect_cluster
from registry_fixture import PASSWORD, free_port

import kitops_core as kitops

pytestmark = pytest.mark.timeout(900)

REGIONS = [f"region-{number}" for number in range(100)]
KILLED = """
from pathlib import Path

from prefect import flow
from prefect_kitops import materialize_modelkit
from training import REGISTRY, cluster


@materialize_modelkit("registry.example.com/ml/killed:dev", registry=REGISTRY, card=False)
def killed():
    (Path.home() / "at-work").touch()
    directory = Path("killed")
    directory.mkdir(exist_ok=True)
    (directory / "model.bin").write_bytes(b"trained for days" * 1_000_000)
    return directory


@flow(task_runner=cluster)
def publish():
    return killed.submit().result().digest


@flow(persist_result=True, result_serializer="json")
def publish_here():
    return killed().digest
"""
RETURNED = """
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as api:
    print(repr(api.read_flow_run("{}").state.result()))
"""
ON_THE_POOL = '  - {name: pool, entrypoint: "killed.py:publish_here", work_pool: {name: models}}\n'


@dataclass
class Engine:
    """Where the work is done.

    Attributes:
        name: ``dask``, ``ray`` or ``pool``.
    """

    name: str
    cluster: Cluster

    @property
    def flows(self) -> str:
        """The module of the docs that has the flows for it."""
        return "pool" if self.name == "pool" else "training"

    def start(self, module: str, flow: str, **parameters: object) -> Callable[[], object]:
        """Start a flow: of the pool a deployment, else a process on the server's machine. Gives what waits for its end.

        Args:
            module: Its module, on tasks' clusters.
            flow: Its name.
            **parameters: What it is given.
        """
        if self.name == "pool":
            with self.cluster.api as api:
                deployment = api.read_deployment_by_name(f"{flow.replace('_', '-')}/pool")
                run = api.create_flow_run_from_deployment(deployment.id, parameters=parameters)
            return lambda: self._returned(run)
        server, mark = self.cluster.machines["server"], f"{module}.{flow} returned "
        code = f"import {module}; print({mark!r} + repr({module}.{flow}(**{parameters!r})))"
        process = server.start("python", "-c", code)

        def end() -> object:
            self.cluster.wait(lambda: process.poll() is not None, f"{flow} does not end")
            assert process.returncode == 0, self.cluster.logs()
            *_, said = [line for line in server.log.splitlines() if line.startswith(mark)]
            return ast.literal_eval(said.removeprefix(mark))

        return end

    def _returned(self, run: FlowRun) -> object:
        def ended() -> bool:
            with self.cluster.api as api:
                state = api.read_flow_run(run.id).state
            assert state is None or not state.is_final() or state.is_completed(), f"{state}\n{self.cluster.logs()}"
            return state is not None and state.is_completed()

        self.cluster.wait(ended, f"{run.name} does not end")
        return ast.literal_eval(self.cluster.run(RETURNED.format(run.id)))


@pytest.fixture(scope="module")
def prefect() -> Iterator[Cluster]:
    with prefect_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["dask", "ray", "pool"])
def engine(prefect: Cluster, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = Engine(str(request.param), prefect)
    prefect.replaced["registry.example.com/ml"] = f"{prefect.proxy.address}/{engine.name}"
    start = {"dask": start_dask, "ray": start_ray, "pool": start_pool}[engine.name]
    start(prefect)
    yield engine
    for worker in prefect.workers:
        worker.lose_power()
        (worker.home / "at-work").unlink(missing_ok=True)
        for log in ("log", "ray"):  # the next engine's are its own
            if (worker.root / log).exists():
                (worker.root / log).rename(worker.root / f"{log}-of-{engine.name}")


def commands(cluster: Cluster, name: str) -> list[list[str]]:
    """The commands of a snippet."""
    return [shlex.split(line.removeprefix("$ ")) for line in cluster.here(name).splitlines()]


def start_dask(cluster: Cluster) -> None:
    port = free_port()
    cluster.replaced["dask.example.com:8786"] = f"127.0.0.1:{port}"
    cluster.replaced["--port 8786"] = f"--port {port}"
    cluster.write(training=cluster.here("prefect_training"), killed=cluster.replace(KILLED))
    scheduler, worker = commands(cluster, "prefect_dask")
    only_here = ("--host", "127.0.0.1", "--no-dashboard")
    cluster.machines["server"].start(*scheduler, *only_here)
    for machine in cluster.workers:
        machine.start(*worker, *only_here, "--name", machine.name)
    count = f"from distributed import Client; Client('tcp://127.0.0.1:{port}').wait_for_workers(2, timeout=240)"
    cluster.run(f"{count}; print('there')")


def start_ray(cluster: Cluster) -> None:
    port, door = free_port(), free_port()
    cluster.replaced |= {
        "ray.example.com:6379": f"127.0.0.1:{port}",
        "ray.example.com:10001": f"127.0.0.1:{door}",
        "--port 6379 --ray-client-server-port 10001": f"--port {port} --ray-client-server-port {door}",
    }
    imported, _, own = cluster.here("prefect_ray").partition("\n\n")
    training = cluster.here("prefect_training").replace("from prefect_dask import DaskTaskRunner", imported)
    before, _, after = training.partition("cluster = DaskTaskRunner")
    training = before + own.rstrip() + "\n" + after.partition("\n")[2]
    assert "Dask" not in training
    cluster.write(training=training, killed=cluster.replace(KILLED))
    head, node = commands(cluster, "prefect_ray_commands")
    # Several machines in one: each has ports of its own, and none takes all processors for its own.
    ports = ("dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export", "runtime-env-agent")

    def only_here(machine: Machine) -> list[str]:
        own = [text for port in ports for text in (f"--{port}-port", str(free_port()))]
        return ["--temp-dir", str(machine.here / "ray"), "--block", *own]

    server = cluster.machines["server"]
    server.start(*head, *only_here(server), "--include-dashboard", "false")
    cluster.wait(lambda: "Ray runtime started" in server.log, "Ray's head does not start")
    for machine in cluster.workers:
        machine.start(*node, *only_here(machine), "--num-cpus", "1")
    for machine in cluster.workers:
        cluster.wait(lambda machine=machine: "Ray runtime started" in machine.log, "a node of Ray's does not start")


def start_pool(cluster: Cluster) -> None:
    cluster.replaced["/opt/models"] = str(cluster.machines["one"].here / "work")
    modules = {"training": cluster.here("prefect_training"), "pool": cluster.here("prefect_pool")}
    cluster.write(**modules, killed=cluster.replace(KILLED))
    server = cluster.machines["server"]
    (server.work / "prefect.yaml").write_text(cluster.here("prefect_yaml") + ON_THE_POOL)
    (server.work / "silent.yaml").write_text(cluster.here("prefect_automation"))
    *once, worker = commands(cluster, "prefect_commands")
    for command in once:
        server.run(*command)
    for machine in cluster.workers:
        machine.start(*worker, "--name", machine.name)


def test_shards_packed_by_both_workers_make_the_kit_of_one_pack(engine: Engine, tmp_path: Path) -> None:
    digest = engine.cluster.shards(tmp_path)
    assert engine.start(engine.flows, "pack_large")() == digest
    name = f"{engine.cluster.proxy.address}/{engine.name}/large:1.0"
    with engine.cluster.client.open(name, where="registry") as kit:
        assert kit.digest == digest
        assert kit.read(SHARDS[7]) == SHARDS[7].encode() * 10_000
    assert {*engine.cluster.ran("pack shard-[^']*").values()} == {"one", "two"}


def test_a_hundred_models_by_map_are_a_hundred_kits(engine: Engine) -> None:
    made = engine.start(engine.flows, "train_all", regions=REGIONS)()
    names = [f"{engine.cluster.proxy.address}/{engine.name}/churn/{region}:1.0" for region in REGIONS]
    there = [engine.cluster.client.resolve(name, where="registry") for name in names]
    assert len({*there}) == len(REGIONS)
    assert isinstance(made, list)
    assert {*made} == {*there}
    assert {*engine.cluster.ran("regional-[^']*").values()} == {"one", "two"}


def test_what_a_worker_that_died_was_pushing_the_other_pushes(engine: Engine) -> None:
    cluster, flow = engine.cluster, "publish_here" if engine.name == "pool" else "publish"
    path = f"/v2/{engine.name}/killed/"
    with held_pushes(cluster.proxy, path):
        end = engine.start("killed", flow)
        cluster.wait(lambda: cluster.proxy.count("PATCH", path), "the push does not begin")
        (dead,) = (worker for worker in cluster.workers if (worker.home / "at-work").exists())
        dead.lose_power()
        name = f"{cluster.proxy.address}/{engine.name}/killed:dev"
        with pytest.raises(kitops.NotFoundError):
            cluster.client.resolve(name, where="registry")
    digest = end()
    (alive,) = (worker for worker in cluster.workers if worker is not dead)
    assert (alive.home / "at-work").exists()
    with cluster.client.open(name, where="registry") as kit:
        assert kit.digest == digest
        assert len(kit.read("model.bin")) == len(b"trained for days") * 1_000_000
    made = cluster.wait(
        lambda: cluster.events(f"oci://{name.partition(':dev')[0]}", "prefect.asset.materialization.succeeded"),
        "the kit is no asset",
    )
    assert [event["payload"]["digest"] for event in made] == [digest]


def test_no_machine_wrote_a_password_down(prefect: Cluster) -> None:
    for machine in prefect.machines.values():
        for path in machine.root.rglob("*"):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path

"""Dagster on Celery, PostgreSQL and Redis: what docs/cluster.md shows, on machines that share nothing."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from databases import postgres, redis
from dev_server import LAUNCH, DevServer, loaded
from fault_proxy import FaultProxy, fault_proxy
from held_pushes import held_pushes
from machines import Machine, machines
from readme import snippet
from registry_fixture import PASSWORD, USERNAME, free_port
from token_server import serve_token_registry

import kitops_core as kitops

pytestmark = pytest.mark.timeout(600)

FILE = "docs/cluster.md"
SHARDS = [f"shard-{number}.bin" for number in range(12)]
KILLED = """
from pathlib import Path

import dagster as dg
from dagster_celery import celery_executor
from dagster_kitops import ModelKitContents, ModelKitIOManager
from training import celery, kitops


@dg.asset
def trained() -> ModelKitContents:
    with (Path.home() / "trainings").open("a") as trainings:
        trainings.write("trained\\n")
    return ModelKitContents(model=b"trained for days")


@dg.asset
def killed(trained: bytes) -> ModelKitContents:
    (Path.home() / "at-work").touch()
    return ModelKitContents(model=trained * 1_000_000)


defs = dg.Definitions(
    assets=[trained, killed],
    jobs=[dg.define_asset_job("publish", [trained, killed])],
    executor=celery_executor.configured(celery),
    resources={"io_manager": ModelKitIOManager(kitops=kitops)},
)
"""
TERMINATE = """mutation ($run: String!) {
  terminateRun(runId: $run, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename }
}"""
AGAIN = """mutation ($run: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: FROM_FAILURE}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""


@dataclass
class Cluster:
    """What runs."""

    server: DevServer
    machines: dict[str, Machine]
    proxy: FaultProxy
    client: kitops.Client

    def launch(self, location: str, job: str) -> str:
        """Start a run; gives its id."""
        selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": job}
        params = {"selector": selector, "runConfigData": {}}
        return str(self.server.query(LAUNCH, {"params": params})["launchPipelineExecution"]["run"]["runId"])

    def succeed(self, run: str) -> None:
        """Wait for a run, which must end well."""
        ended = self.server.finished(run)
        logs = "\n".join(f"{machine.name}: {machine.log[-5000:]}" for machine in self.machines.values())
        assert ended == "SUCCESS", logs

    def steps(self, run: str) -> dict[str, str]:
        """The steps of a run that began, each with the machine that says so."""
        began = re.compile(rf"{run} - \d+ - (\S+) - STEP_START")
        return {step: name for name, machine in self.machines.items() for step in began.findall(machine.log)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    root = tmp_path_factory.mktemp("cluster")
    with (
        serve_token_registry() as served,
        fault_proxy(served.address) as proxy,
        postgres() as base,
        redis() as broker,
        machines(root, "server", "one", "two", environment={"REGISTRY_PASSWORD": PASSWORD}) as own,
    ):
        registries = kitops.Registries({proxy.address: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)})
        replaced = {
            "registry.example.com": proxy.address,
            'username="ci"': f'username="{USERNAME}"',
            "redis://redis.example.com:6379": broker,
            "dagster@postgres.example.com/dagster": base,
        }

        def here(name: str) -> str:
            text = snippet(name, FILE)
            for old, new in replaced.items():
                text = text.replace(old, new)
            return text

        workspace = here("dagster_workspace") + "  - python_module: killed\n"
        first, *others = SHARDS
        kitfile = {
            "manifestVersion": "1.0.0",
            "package": {"name": "large"},
            "model": {"path": first, "parts": [{"path": other} for other in others]},
        }
        files = {
            "training.py": here("dagster_training"),
            "serving.py": here("dagster_serving"),
            "killed.py": KILLED,
            "workspace.yaml": workspace,
            "celery.yaml": here("dagster_celery"),
            "large.Kitfile": json.dumps(kitfile),
            "dagster/dagster.yaml": here("dagster_yaml") + "telemetry: {enabled: false}\nnux: {enabled: false}\n",
        }
        for machine in own.values():
            (machine.work / "dagster").mkdir()
            machine.environment["DAGSTER_HOME"] = str(machine.here / "work/dagster")
            machine.environment["PYTHONPATH"] = str(machine.here / "work")
            for name, text in files.items():
                (machine.work / name).write_text(text)
        commands = [shlex.split(line.removeprefix("$ ")) for line in here("dagster_commands").splitlines()]
        webserver, daemon, *workers = commands
        port = free_port()
        process = own["server"].start(*webserver, "-h", "127.0.0.1", "-p", str(port))
        server = DevServer(f"http://127.0.0.1:{port}", process, own["server"].root / "log", "training")
        server.wait_for(lambda: loaded(server), "the code locations are loaded")
        own["server"].start(*daemon)
        for machine, worker in zip((own["one"], own["two"]), workers, strict=True):
            machine.start(*worker, "-n", machine.name)
        with kitops.Client(registries=registries) as client:
            yield Cluster(server, own, proxy, client)


def test_what_one_worker_trained_the_other_loads_and_another_location_reads(cluster: Cluster) -> None:
    run = cluster.launch("training", "train")
    cluster.succeed(run)
    assert cluster.steps(run) == {"weights": "one", "churn": "two"}
    name = f"{cluster.proxy.address}/ml"
    with cluster.client.open(f"{name}/churn:latest", where="registry") as kit:
        digest, model = kit.digest, kit.read("model.bin")
    assert model == b"weights, quantized"
    run = cluster.launch("serving", "serve")
    cluster.succeed(run)
    assert cluster.steps(run) == {"report": "one"}
    with cluster.client.open(f"{name}/report:latest", where="registry") as kit:
        (entry,) = kit.kitfile.datasets
        assert json.loads(kit.read(entry.path))["kit"] == digest


def test_dynamic_outputs_on_both_workers_make_the_kit_of_one_pack(cluster: Cluster, tmp_path: Path) -> None:
    for shard in SHARDS:
        (tmp_path / shard).write_bytes(shard.encode() * 10_000)
    run = cluster.launch("training", "pack_large")
    cluster.succeed(run)
    ran = {step: name for step, name in cluster.steps(run).items() if "packed" in step}
    assert len(ran) == len(SHARDS)
    assert {*ran.values()} == {"one", "two"}
    kitfile = cluster.machines["one"].work / "large.Kitfile"
    here = cluster.client.pack(tmp_path, "large:1.0", kitfile=kitfile).digest
    assert cluster.client.resolve(f"{cluster.proxy.address}/ml/large:latest", where="registry") == here


def test_a_run_whose_worker_died_goes_on_at_the_other_without_training_again(cluster: Cluster) -> None:
    workers = [cluster.machines["one"], cluster.machines["two"]]
    with held_pushes(cluster.proxy, "/v2/ml/killed/"):
        run = cluster.launch("killed", "publish")
        cluster.server.wait_for(lambda: cluster.proxy.count("PATCH", "/v2/ml/killed/"), "the push begins")
        (dead,) = (machine for machine in workers if (machine.home / "at-work").exists())
        dead.lose_power()
    name = f"{cluster.proxy.address}/ml/killed:latest"
    with pytest.raises(kitops.NotFoundError):
        cluster.client.resolve(name, where="registry")
    cluster.server.query(TERMINATE, {"run": run})
    assert cluster.server.finished(run) == "CANCELED"
    answer = cluster.server.query(AGAIN, {"run": run})["launchRunReexecution"]
    again = answer["run"]["runId"]
    cluster.succeed(again)
    (alive,) = (machine for machine in workers if machine is not dead)
    assert cluster.steps(again) == {"killed": alive.name}
    with cluster.client.open(name, where="registry") as kit:
        assert len(kit.read("model.bin")) == len(b"trained for days") * 1_000_000
    trainings = [path.read_text() for machine in workers if (path := machine.home / "trainings").exists()]
    assert trainings == ["trained\n"]


def test_no_machine_wrote_a_password_down(cluster: Cluster) -> None:
    for machine in cluster.machines.values():
        for path in machine.root.rglob("*"):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path

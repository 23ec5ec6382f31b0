"""Airflow on Celery, PostgreSQL and Redis: what docs/cluster.md shows, on two workers that share nothing.

The token service of the registry is a fake, all else is what a user would run.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databases import postgres, redis
from fault_proxy import FaultProxy, fault_proxy
from held_pushes import held_pushes
from live_airflow import LiveAirflow
from machines import NOBODY, Machine, apart, machines
from readme import snippet
from registry_fixture import PASSWORD, USERNAME
from s3_server import BUCKET, S3Server
from token_server import serve_token_registry

import kitops_core as kitops

pytestmark = pytest.mark.timeout(600)

FILE = "docs/cluster.md"
SHARDS, SHARD_BYTES = 40, 64 * 1024
LARGE_BYTES = 32 * 1024 * 1024
LIVELY = {"AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2"}
MORE_DAGS = """
import os
import pwd
from pathlib import Path

from airflow.sdk import ObjectStoragePath, dag, task
from kitops_airflow import KitPackPushOperator

killed = ObjectStoragePath("s3://models@scratch/killed")
bare = ObjectStoragePath("s3://models@scratch/bare")


@dag(schedule=None)
def push_large():
    @task
    def fit():
        (killed / "model.bin").write_bytes(bytes(range(256)) * 4096 * {mebibytes})
        return killed

    KitPackPushOperator(
        task_id="push", source=fit(), reference="registry.example.com/ml/killed:dev", retries=1, retry_delay=1
    )


@dag(schedule=None)
def look_around():
    @task(queue="train")
    def leave():
        left = Path.home() / "left"
        left.write_text("here")
        return str(left)

    @task(queue="pack")
    def look(left):
        return [Path(left).exists(), str(Path.home())]

    look(leave())


@dag(schedule=None)
def pack_bare():
    @task(queue="train")
    def fit():
        (bare / "model.bin").write_bytes(b"weights")
        return bare

    @task(queue="bare")
    def look():
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = ""
        return [os.getuid(), name, os.environ.get("HOME", ""), os.access("/", os.W_OK), os.access("/tmp", os.W_OK)]

    fit() >> KitPackPushOperator(
        task_id="push", source=str(bare), reference="registry.example.com/ml/bare:dev", queue="bare"
    )
    look()


push_large()
look_around()
pack_bare()
"""


@dataclass
class Cluster:
    """What runs."""

    airflow: LiveAirflow
    machines: dict[str, Machine]
    proxy: FaultProxy
    client: kitops.Client

    def start_worker(self, name: str) -> None:
        """Start one, as the docs do."""
        shown = [*snippet("airflow_workers", FILE).splitlines(), "$ airflow celery worker --queues bare"]
        commands = dict(zip(self.machines, shown, strict=True))
        command = shlex.split(commands[name].removeprefix("$ "))
        self.machines[name].start(*command, "--celery-hostname", name, "--concurrency", "2", "--skip-serve-logs")

    def by(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> list[str]:
        """The machines that ran a task, or its mapped ones, once for each: they have the logs."""
        where = f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}"
        return [
            name
            for name, machine in self.machines.items()
            for _ in (machine.home / "airflow/logs" / where).rglob(f"attempt={attempt}.log")
        ]


def here(name: str, replaced: dict[str, str]) -> str:
    text = snippet(name, FILE)
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def cluster(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    root = tmp_path_factory.mktemp("cluster")
    with serve_token_registry() as served, fault_proxy(served.address) as proxy, postgres() as base, redis() as broker:
        replaced = {
            "registry.example.com": proxy.address,
            "s3://models@scratch": f"s3://models@{BUCKET}/cluster",
            "redis://redis.example.com:6379": broker,
            "airflow@postgres.example.com/airflow": base,
        }
        dags = {
            "train.py": here("airflow_dag", replaced),
            "shards.py": here("airflow_shards", replaced),
            "promotion.yaml": here("airflow_policy", replaced),
            "more.py": MORE_DAGS.replace("{mebibytes}", str(LARGE_BYTES // 1024 // 1024)),
        }
        dags["more.py"] = dags["more.py"].replace("registry.example.com", proxy.address)
        dags["more.py"] = dags["more.py"].replace("s3://models@scratch", replaced["s3://models@scratch"])
        extra = {
            "HOME": str(root / "central"),
            "KITOPS_HOME": str(root / "central/kits"),
            "AIRFLOW__CORE__PARALLELISM": "8",
            **LIVELY,
        }
        airflow = LiveAirflow(root / "central/airflow", root / "central/airflow/dags", extra)
        replaced["http://airflow.example.com:8080"] = airflow.url
        config = here("airflow_cfg", replaced)
        equip(root / "central/airflow", config + here("airflow_cfg_scheduler", replaced), dags)
        registries = kitops.Registries({proxy.address: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)})
        with (
            machines(root / "machines", "one", "two", environment=LIVELY, bare=["bare"]) as own,
            kitops.Client(registries=registries) as client,
        ):
            # Airflow's command wants the user's name, and a place for the logs of tasks.
            own["bare"].environment.update(USER="airflow", AIRFLOW_HOME=f"{own['bare'].here}/home/airflow")
            for machine in own.values():
                equip(machine.home / "airflow", config, dags)
                airflow.logs.append(machine.home / "airflow/logs")
            running = Cluster(airflow, own, proxy, client)
            try:
                start(running, s3)
                yield running
            finally:
                airflow.stop()


def equip(home: Path, config: str, dags: dict[str, str]) -> None:
    """What an image for Airflow would have: its configuration and the DAGs."""
    (home / "dags").mkdir(parents=True)
    (home / "airflow.cfg").write_text(config)
    for name, text in dags.items():
        (home / "dags" / name).write_text(text)


def start(cluster: Cluster, s3: S3Server) -> None:
    airflow = cluster.airflow
    airflow.command("db", "migrate")
    airflow.start("api-server")
    for name in cluster.machines:
        cluster.start_worker(name)
    airflow.command("dags", "reserialize")
    airflow.start("scheduler")
    airflow.until(airflow.healthy, "the api-server comes up")
    registry = {"conn_type": "kitops", "host": cluster.proxy.address, "login": USERNAME, "password": PASSWORD}
    store = {**s3.connection, "extra": s3.extra}
    for name, connection in {"kitops_default": registry, "models": store}.items():
        airflow.call("POST", "/connections", {"connection_id": name, **connection})


def test_the_workers_have_no_file_in_common(cluster: Cluster) -> None:
    airflow = cluster.airflow
    run = airflow.trigger("look_around")
    airflow.succeed("look_around", run)
    there, home = airflow.xcom("look_around", run, "look")
    assert home == cluster.machines["two"].environment["HOME"]
    assert there is not apart()  # the paths are the same, the files are not, where the system allows it
    assert (cluster.machines["one"].home / "left").exists()
    assert (cluster.by("look_around", run, "leave"), cluster.by("look_around", run, "look")) == (["one"], ["two"])


def test_what_one_worker_trains_the_other_packs_and_a_person_promotes(cluster: Cluster) -> None:
    airflow = cluster.airflow
    run = airflow.trigger("train_churn")
    airflow.succeed("train_churn", run)
    assert (cluster.by("train_churn", run, "fit"), cluster.by("train_churn", run, "pack")) == (["one"], ["two"])
    packed = airflow.xcom("train_churn", run, "pack")
    release = airflow.until(lambda: airflow.runs("release_churn"), "the push starts the promotion")[0]["dag_run_id"]
    asked = airflow.asked("release_churn", release, "promote_to_prod.approve")
    assert packed["digest"] in asked["body"]
    airflow.approve("release_churn", release, "promote_to_prod.approve")
    airflow.succeed("release_churn", release)
    name = f"{cluster.proxy.address}/ml/churn"
    with cluster.client.open(f"{name}:prod", where="registry") as kit:
        assert (kit.digest, kit.read("model.bin")) == (packed["digest"], b"weights")
    assert not any((machine.home / "kits/storage").exists() for machine in cluster.machines.values())


def test_forty_mapped_shards_on_both_workers_make_the_kit_of_one_pack(
    cluster: Cluster, s3: S3Server, tmp_path: Path
) -> None:
    files = {f"shard-{number}.bin": os.urandom(SHARD_BYTES) for number in range(SHARDS)}
    for name, data in files.items():
        s3.fs().pipe_file(f"{BUCKET}/cluster/large/{name}", data)
        (tmp_path / name).write_bytes(data)
    airflow = cluster.airflow
    run = airflow.trigger("pack_large")
    airflow.succeed("pack_large", run)
    ran = cluster.by("pack_large", run, "shard")
    assert len(ran) == SHARDS
    assert {*ran} == {"one", "two"}
    scope: dict[str, Any] = {}
    exec(snippet("airflow_shards", FILE).partition("reference =")[0], scope)
    (tmp_path / "Kitfile").write_text(json.dumps(scope["kitfile"]))  # JSON is YAML
    assert airflow.xcom("pack_large", run, "kit")["digest"] == cluster.client.pack(tmp_path, "large:1.0").digest


def test_a_worker_killed_while_it_pushes_leaves_its_task_to_the_other(cluster: Cluster) -> None:
    airflow, name = cluster.airflow, f"{cluster.proxy.address}/ml/killed"
    with held_pushes(cluster.proxy, "/v2/ml/killed/"):
        run = airflow.trigger("push_large")
        airflow.until(lambda: cluster.proxy.count("PATCH", "/v2/ml/killed/"), "the push begins")
        (first,) = cluster.by("push_large", run, "push")
        cluster.machines[first].lose_power()
    with pytest.raises(kitops.NotFoundError):
        cluster.client.resolve(f"{name}:dev", where="registry")
    airflow.succeed("push_large", run)
    (second,) = cluster.by("push_large", run, "push", attempt=2)
    assert {first, second} == {"one", "two"}
    assert airflow.task("push_large", run, "fit")["try_number"] == 1  # the training was not done again
    pushed = airflow.xcom("push_large", run, "push")
    with cluster.client.open(f"{name}:dev", where="registry") as kit:
        assert kit.digest == pushed["digest"]
        assert len(kit.read("model.bin")) == LARGE_BYTES
    assert pushed["source"]["run"] == run
    cluster.start_worker(first)


@pytest.mark.skipif(not apart(), reason="without namespaces a worker has the user and the files of all others")
def test_a_worker_whose_user_has_no_name_no_home_and_no_disk_packs_to_the_registry(cluster: Cluster) -> None:
    airflow, machine = cluster.airflow, cluster.machines["bare"]
    run = airflow.trigger("pack_bare")
    airflow.succeed("pack_bare", run)
    assert airflow.xcom("pack_bare", run, "look") == [NOBODY, "", "", False, False]
    assert cluster.by("pack_bare", run, "push") == ["bare"]
    with cluster.client.open(f"{cluster.proxy.address}/ml/bare:dev", where="registry") as kit:
        assert (kit.digest, kit.read("model.bin")) == (airflow.xcom("pack_bare", run, "push")["digest"], b"weights")
    left = {path.relative_to(machine.root).parts[0] for path in machine.root.rglob("*") if path.is_file()}
    assert left <= {"home", "log"}  # Airflow's own: its configuration, the DAGs, the tasks' logs
    assert not [path for path in machine.home.rglob("*") if "kit" in path.name.lower()]


def test_no_worker_wrote_a_password_down(cluster: Cluster) -> None:
    for machine in cluster.machines.values():
        for path in machine.root.rglob("*"):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path

"""One session with a real api-server, scheduler and triggerer, against a real registry."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from fault_proxy import fault_proxy
from held_pushes import slowly
from live_airflow import LiveAirflow, live_airflow
from readme import snippet
from registry_fixture import PASSWORD, USERNAME, Served
from s3_server import BUCKET, S3Server

import kitops_core as kitops

pytestmark = [
    pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="the api-server, watchers and REST v2 are Airflow 3's"),
    pytest.mark.timeout(600),
]

FILE = "integrations/airflow/README.md"
TRAIN = """
def train(data, out):
    out.write_bytes(b"weights of a live session")
    return 0.94
"""
LARGE_BYTES = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def airflow(registry: str, auth_registry: Served, s3: S3Server, scratch: Path) -> Iterator[LiveAirflow]:
    (scratch / "home").mkdir()
    (scratch / "promotion.yaml").write_text(
        f"kit: {registry}/live/churn\nchannels: {{dev: {{}}, prod: {{from: dev}}}}\n"
    )
    shutil.copytree(Path(__file__).parent / "live", scratch / "dags")
    readme = [snippet(name, FILE) for name in ("dag", "event", "approval", "workers")]
    (scratch / "dags" / "readme.py").write_text("\n\n".join([TRAIN, *readme, ""]))
    (scratch / "dags" / "promotion.yaml").write_text(snippet("channels", FILE))
    for path in (scratch / "dags").glob("*.*"):
        text = path.read_text().replace("registry.example.com", registry)
        path.write_text(text.replace("s3://models@scratch", f"s3://models@{BUCKET}/live"))
    (scratch / "large").mkdir()
    (scratch / "large" / "model.bin").write_bytes(bytes(LARGE_BYTES))
    with fault_proxy(registry) as proxy:
        proxy.fault("PATCH", "/v2/live/large/", slowly, times=100)
        extra = {
            "KITS": registry,
            "SECURED": auth_registry.address,
            "SLOW": proxy.address,
            "MODEL": str(scratch / "model"),
            "LARGE": str(scratch / "large"),
            "CHANNELS": str(scratch / "promotion.yaml"),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(scratch / "lineage.json"), "append": True}
            ),
            "HOME": str(scratch / "home"),
            "KITOPS_HOME": str(scratch / "home/kits"),
        }
        connection = {"conn_type": "kitops", "host": auth_registry.address, "login": USERNAME, "password": PASSWORD}
        with live_airflow(scratch / "home", scratch / "dags", extra) as running:
            running.call("POST", "/connections", {"connection_id": "secured", **connection})
            running.call("POST", "/connections", {"connection_id": "models", **s3.connection, "extra": s3.extra})
            yield running


def push(directory: Path, reference: str, weights: str, registries: kitops.Registries | None = None) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "model.bin").write_text(weights)
    with kitops.Client(registries=registries) as client:
        return client.pack(directory, reference, push=True).digest


def watched(airflow: LiveAirflow, count: int) -> list[Any]:
    return [airflow.xcom("deploy", run["dag_run_id"], "note") for run in airflow.finished("deploy", count)]


def started_by(airflow: LiveAirflow, dag_id: str, digest: str) -> str:
    """The run of a DAG that the event of a kit started; others may have been started by the kits of other tests."""

    def look() -> str | None:
        for run in airflow.runs(dag_id):
            came = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents")
            if any((event["extra"] or {}).get("digest") == digest for event in came["asset_events"]):
                return str(run["dag_run_id"])
        return None

    return airflow.until(look, f"{digest} starts {dag_id}")


def test_a_pushed_kit_is_an_asset_event_and_the_dag_that_waits_reads_its_digest(
    airflow: LiveAirflow, registry: str
) -> None:
    run = airflow.trigger("produce", weights="one")
    airflow.succeed("produce", run)
    record = airflow.xcom("produce", run, "fit")

    (asset,) = (
        found
        for found in airflow.call("GET", f"/assets?name_pattern={registry}/live/churn")["assets"]
        if found["uri"] == f"oci://{registry}/live/churn"
    )
    (event,) = airflow.call("GET", f"/assets/events?asset_id={asset['id']}")["asset_events"]
    assert event["extra"] == record
    assert event["extra"]["source"]["url"].startswith(airflow.url)

    (started,) = airflow.finished("consume", 1)
    assert airflow.xcom("consume", started["dag_run_id"], "look")["digest"] == record["digest"]
    links = airflow.call("GET", f"/dags/produce/dagRuns/{run}/taskInstances/fit/links")["extra_links"]
    with urllib.request.urlopen(links["ModelKit"], timeout=60) as page:  # as a browser does, asking for no media type
        assert "dev" in json.load(page)["tags"]


def test_what_one_task_leaves_in_an_object_store_the_next_packs_without_a_copy(
    airflow: LiveAirflow, registry: str
) -> None:
    run = airflow.trigger("two_workers")
    airflow.succeed("two_workers", run)
    assert airflow.xcom("two_workers", run, "evaluate") == ["model.onnx"]
    packed = airflow.xcom("two_workers", run, "pack")
    with kitops.open(f"{registry}/ml/churn@{packed['digest']}") as kit:
        assert kit.read("model.onnx") == b"weights"


def test_the_readme_leads_from_training_without_a_date_to_production(airflow: LiveAirflow, registry: str) -> None:
    try:  # other tests promote there too
        before = kitops.resolve(f"{registry}/ml/churn:prod")
    except kitops.NotFoundError:
        before = ""
    run = airflow.trigger("train_churn")
    airflow.succeed("train_churn", run)
    digest = airflow.xcom("train_churn", run, "fit")["digest"]
    for name in ("release_churn", "report"):
        airflow.succeed(name, started_by(airflow, name, digest))
    release = started_by(airflow, "release", digest)
    airflow.approve("release", release, "promote_to_prod.approve")
    airflow.succeed("release", release)
    with kitops.open(f"{registry}/ml/churn:prod") as kit:
        assert kit.digest == digest
    record = airflow.xcom("release", release, "promote_to_prod.promote")
    assert record["previous_digest"] == before


def test_a_tag_moved_by_another_program_starts_a_dag_once_even_over_a_restart(
    airflow: LiveAirflow, registry: str, scratch: Path
) -> None:
    first = push(scratch / "other", f"{registry}/live/churn:prod", "first")
    assert [note["digest"] for note in watched(airflow, 1)] == [first]
    second = push(scratch / "other", f"{registry}/live/churn:prod", "second")
    assert watched(airflow, 2)[-1] == {"digest": second, "previous": first, "origin": "watcher"}

    airflow.stop("triggerer")
    airflow.start("triggerer")
    third = push(scratch / "other", f"{registry}/live/churn:prod", "third")
    notes = watched(airflow, 3)
    assert [note["digest"] for note in notes] == [first, second, third]  # and the second not twice


def test_what_a_person_approves_is_promoted_and_the_watcher_tells_of_it(airflow: LiveAirflow, registry: str) -> None:
    before = len(airflow.finished("deploy", 3))
    run = airflow.trigger("approve")
    asked = airflow.asked("approve", run, "promote_to_prod.approve")
    planned = airflow.xcom("approve", run, "promote_to_prod.plan")
    assert planned["digest"] in asked["body"]
    assert planned["previous_digest"] in asked["body"]
    with kitops.open(f"{registry}/live/churn:prod") as kit:
        assert kit.digest == planned["previous_digest"]  # nothing moved yet

    airflow.approve("approve", run, "promote_to_prod.approve")
    airflow.succeed("approve", run)
    with kitops.open(f"{registry}/live/churn:prod") as kit:
        assert kit.digest == planned["digest"]
    assert watched(airflow, before + 1)[-1]["digest"] == planned["digest"]


def test_openlineage_has_the_kits_with_their_digests(airflow: LiveAirflow, registry: str, scratch: Path) -> None:
    (run,) = airflow.runs("produce")
    digest = airflow.xcom("produce", run["dag_run_id"], "fit")["digest"]

    def complete() -> list[Any] | None:
        lines = (scratch / "lineage.json").read_text().splitlines() if (scratch / "lineage.json").exists() else []
        events = [json.loads(line) for line in lines]
        found = [
            event for event in events if event["eventType"] == "COMPLETE" and event["job"]["name"] == "produce.fit"
        ]
        return found[-1]["outputs"] if found else None

    (output,) = airflow.until(complete, "lineage of produce.fit")
    assert (output["namespace"], output["name"]) == (f"oci://{registry}", "live/churn")
    assert output["facets"]["version"]["datasetVersion"] == digest


def test_a_deferred_sensor_is_woken_by_the_tag_in_a_registry_with_a_password(
    airflow: LiveAirflow, auth_registry: Served, scratch: Path
) -> None:
    run = airflow.trigger("wait")
    airflow.until(lambda: airflow.task("wait", run, "tag")["state"] == "deferred", "the sensor is deferred")
    airflow.parked("wait", run, "tag")
    options = kitops.RegistryOptions(username=USERNAME, password=PASSWORD)
    registries = kitops.Registries({auth_registry.address: options})
    digest = push(scratch / "other", f"{auth_registry.address}/live/awaited:now", "awaited", registries)
    airflow.succeed("wait", run)
    assert airflow.xcom("wait", run, "tag")["digest"] == digest
    assert airflow.xcom("wait", run, "again")["digest"] == digest


def test_a_task_killed_while_it_pushes_leaves_the_tag_where_it_was(
    airflow: LiveAirflow, registry: str, scratch: Path
) -> None:
    before = push(scratch / "other", f"{registry}/live/large:dev", "before")
    run = airflow.trigger("large")
    airflow.until(lambda: airflow.task("large", run, "push")["state"] == "running", "the push begins")
    log = scratch / "home/logs"
    airflow.until(lambda: any("attempt=1" in path.name for path in log.rglob("dag_id=large/**/*")), "it is at work")
    airflow.call("PATCH", f"/dags/large/dagRuns/{run}/taskInstances/push", {"new_state": "failed"})
    assert airflow.run_state("large", run) == "failed"

    def ended() -> bool:
        return any("cancelled" in path.read_text(errors="replace") for path in log.rglob("dag_id=large/**/*.log"))

    airflow.until(ended, "the engine stops")
    with kitops.open(f"{registry}/live/large:dev") as kit:
        assert kit.digest == before


def test_the_connection_form_is_shown_and_its_test_asks_the_registry(
    airflow: LiveAirflow, auth_registry: Served
) -> None:
    connection = {"connection_id": "tested", "conn_type": "kitops", "host": auth_registry.address, "login": USERNAME}
    for password, expected in ((PASSWORD, True), ("wrong", False)):
        answer = airflow.call("POST", "/connections/test", {**connection, "password": password})
        assert answer["status"] is expected, answer
        assert PASSWORD not in answer["message"]


def test_nothing_that_ran_showed_a_password(airflow: LiveAirflow) -> None:
    for path in airflow.home.rglob("*"):
        if path.is_file() and "kits" not in path.parts:
            assert PASSWORD.encode() not in path.read_bytes(), path

"""What the README and the examples show is what happens."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag_bag, events, result, run, states, store
from hub_server import hub_server
from readme import snippet
from s3_server import BUCKET, S3Server

import kitops_core as kitops
from kitops_airflow import modelkit_asset

pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="the README writes Airflow 3"),
]

FILE = "integrations/airflow/README.md"
EXAMPLES = Path(__file__).parents[1] / "example_dags"
Load = Callable[..., dict[str, Any]]


def train(data: str, out: Path) -> float:
    out.write_bytes(b"weights")
    return 0.94


@pytest.fixture
def load(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Runs snippets one after the other; gives the names they leave. Their registry is the test's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "promotion.yaml").write_text(here(snippet("channels", FILE), registry))

    def run_them(*names: str, **values: Any) -> dict[str, Any]:
        scope: dict[str, Any] = {"__name__": "dags", "train": train, **values}
        for name in names:
            exec(compile(here(snippet(name, FILE), registry), FILE, "exec"), scope)
        return scope

    return run_them


def here(text: str, registry: str) -> str:
    return (
        text.replace("registry.example.com", registry)
        .replace("/data/", f"{Path.cwd()}/")
        .replace("s3://models@scratch", f"s3://models@{BUCKET}/scratch")
    )


def made(dag: Any) -> DAG:
    built: DAG = dag()
    built.start_date = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return built


@pytest.mark.parametrize("name", ["dag", "event", "import", "watch", "workers", "approval", "shards", "index"])
def test_every_dag_is_made_where_it_is_shown(name: str) -> None:
    # Copied as it stands, a function that nothing calls is no DAG, and no error either.
    lines = ast.parse(snippet(name, FILE)).body
    decorated = [line for line in lines if isinstance(line, ast.FunctionDef) and "dag(" in ast.unparse(line)]
    assert decorated
    assert {f"{line.name}()" for line in decorated} <= {ast.unparse(line) for line in lines}


def test_the_first_dag_packs_a_kit_and_the_second_promotes_it_with_that_digest(load: Load, registry: str) -> None:
    names = load("dag")
    trained = run(made(names["train_churn"]))
    assert states(trained) == {"fit": "success"}
    digest = result(trained, "fit")["digest"]
    assert events(names["churn"].uri)[-1]["digest"] == digest

    assert states(run(made(names["release_churn"]))) == {"to_staging": "success"}
    with kitops.open(f"{registry}/ml/churn:staging") as kit:
        assert kit.digest == digest
    staging = load("dag", "approval")["staging"]  # what the approval waits for
    assert events(staging.uri)[-1]["digest"] == digest


def test_contents_by_name_are_packed_with_their_metrics_and_pass_the_gate(load: Load, registry: str) -> None:
    Path("eval.parquet").write_bytes(b"rows")
    names = load("dag", "contents")

    @names["dag"](schedule=None)
    def by_name() -> None:
        names["fit"]()

    packed = run(made(by_name))
    assert states(packed) == {"fit": "success"}
    assert states(run(made(names["release_churn"]))) == {"to_staging": "success"}


def test_an_event_is_read(load: Load) -> None:
    names = load("dag", "event")
    run(made(names["train_churn"]))
    told = result(run(made(names["report"])), "note")
    assert "/ml/churn@sha256:" in told
    assert "by train_churn" in told


def test_a_watched_tag_is_pulled(load: Load, registry: str, model: Path) -> None:
    kitops.pack(model, f"{registry}/ml/churn:prod", push=True)
    names = load("dag", "watch")
    assert result(run(made(names["deploy"])), "serve") == ["model.onnx"]


def test_the_client_of_the_hook_asks_the_registry(load: Load, registry: str, model: Path) -> None:
    packed = kitops.pack(model, f"{registry}/ml/churn:dev", push=True)
    assert load("dag", "hook")["newest"].function() == packed.digest


def test_an_approval_is_planned_asked_for_and_done(load: Load) -> None:
    names = load("dag", "approval")
    dag = made(names["release"])
    store(dag)
    assert dag.task_ids == [f"promote_to_prod.{name}" for name in ("plan", "approve", "promote")]


def test_all_kits_of_a_policy_are_one_job(load: Load, registry: str) -> None:
    names = load("dag", "all")
    digest = result(run(made(names["train_churn"])), "fit")["digest"]
    assert set(states(run(made(names["promote_everything"]))).values()) == {"success"}
    assert kitops.resolve(f"{registry}/ml/churn:prod") == digest


def test_a_model_of_the_hub_is_imported(load: Load, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server() as hub:
        hub.use(monkeypatch)
        commit = hub.repo("acme/smol").commit({"model.safetensors": b"weights", "config.json": b"{}"})
        names = load("dag", "import")
        assert states(run(made(names["mirror"]))) == {"smol": "success"}
    assert events(names["smol"].uri)[-1]["origin"] == f"hf://acme/smol@{commit}"


def test_one_file_of_a_kit_is_read_by_its_path(load: Load, registry: str, model: Path) -> None:
    packed = kitops.pack(model, f"{registry}/ml/churn:card", push=True)
    assert load("path", digest=packed.digest)["card"] == "# Churn\n"


def test_what_one_worker_leaves_in_an_object_store_another_packs(load: Load, s3: S3Server) -> None:
    names = load("dag", "workers")
    dag_run = run(made(names["two_workers"]))
    assert result(dag_run, "evaluate") == ["model.onnx"]


def test_shards_are_packed_by_mapped_tasks(load: Load, registry: str) -> None:
    Path("shards").mkdir()
    for number in range(2):
        Path("shards", f"shard-{number}.bin").write_bytes(bytes([number]) * 100)
    names = load("dag", "shards")
    assert set(states(run(made(names["pack_large"]))).values()) == {"success"}
    with kitops.open(f"{registry}/ml/large:1.0") as kit:
        assert [layer.entry.path for layer in kit.layers] == ["shard-0.bin", "shard-1.bin"]


def test_variants_are_packed_by_mapped_tasks_and_indexed(load: Load, registry: str) -> None:
    names = load("dag", "index")
    for one in names["needs"]:
        Path("variants", one).mkdir(parents=True)
        Path("variants", one, "model.gguf").write_text(one)
    assert set(states(run(made(names["quantize"]))).values()) == {"success"}
    with kitops.open(f"{registry}/ml/llm:all?vram<=8GB") as kit:
        assert kit.read("model.gguf") == b"q4_0"
    assert len(events(names["llm"].uri)[-1]["variants"]) == 2


def test_the_connection_is_one_that_airflow_takes(airflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.cli_parser import get_parser
    from airflow.models import Connection
    from airflow.utils.session import create_session

    command = snippet("connection", FILE).removeprefix("$ airflow ").replace("$TOKEN", "a-token")
    arguments = get_parser().parse_args(shlex.split(command))
    arguments.func(arguments)
    with create_session() as session:
        (connection,) = session.query(Connection).filter_by(conn_id="kitops_default")
        assert (connection.conn_type, connection.host, connection.login) == ("kitops", "registry.example.com", "ci")
        session.delete(connection)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_is_a_dag_that_airflow_takes(path: Path) -> None:
    bag = dag_bag()[0](path)
    assert bag.import_errors == {}
    assert bag.dags
    for dag in bag.dags.values():
        store(dag)


def test_reading_the_examples_opens_no_store() -> None:
    # Airflow's DAG processor does it again and again: no connection is to be looked up for that.
    code = (
        "import runpy, sys\n"
        "for path in sys.argv[1:]: runpy.run_path(path)\n"
        "print(sorted({'s3fs', 'fsspec.asyn'} & set(sys.modules)))"
    )
    paths = [str(path) for path in sorted(EXAMPLES.glob("*.py"))]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("s3")
def test_the_example_over_two_workers_hands_on_a_url_and_a_digest(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scratch").mkdir()
    scope: dict[str, Any] = {"__name__": "dags"}
    exec(compile(here((EXAMPLES / "two_workers.py").read_text(), registry), "two_workers.py", "exec"), scope)
    dag_run = run(made(scope["train_and_pack_apart"]))
    assert f"/scratch/churn/{dag_run.run_id}" in str(result(dag_run, "fit"))
    assert result(dag_run, "evaluate") == {"model.bin": len(b"weights")}
    assert events(scope["CHURN"].uri)[-1]["digest"] == result(dag_run, "pack")["digest"]


def test_the_policy_of_the_examples_is_a_policy() -> None:
    policy = kitops.load_policy(EXAMPLES / "promotion.yaml")
    assert list(policy.channels) == ["dev", "staging", "prod"]
    assert modelkit_asset(policy.kit).uri == "oci://registry.example.com/ml/churn"

"""Importing from MLflow: the real client before a real tracking database on this machine."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runner import kit, ok
from clients import client, find_kit

import kitops_core as kitops
from kitops_core.errors import CancelledError, InvalidInputError, NotFoundError, SourceError
from kitops_core.events import Cancel
from kitops_core.evidence.metrics import read_metrics
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE, TEST_RESULT
from kitops_core.evidence.statements import read_evidence
from kitops_core.importing.mlflow_name import MlflowName, parse_mlflow_name

mlflow = pytest.importorskip("mlflow", reason="the mlflow extra is not installed")
pytest.importorskip("alembic", reason="a database of MLflow's needs alembic and sqlalchemy")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # importing MLflow alone takes seconds

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(autouse=True)
def tracking(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The database, as the one that the environment names; artifacts go below ``tmp_path``."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(database)
    yield mlflow.tracking.MlflowClient()
    mlflow.set_tracking_uri(before if before != database else None)


@pytest.fixture
def run(tracking: Any, tmp_path: Path) -> Any:
    """A finished run with a model in MLflow's own layout, parameters and metrics."""
    experiment = tracking.create_experiment(uuid.uuid4().hex, artifact_location=(tmp_path / "artifacts").as_uri())
    made = tracking.create_run(experiment, run_name="Churn v8")
    write_artifacts(tracking, made.info.run_id, tmp_path)
    tracking.log_param(made.info.run_id, "max_depth", 8)
    tracking.log_param(made.info.run_id, "booster", "gbtree")
    tracking.log_param(made.info.run_id, "early_stop", True)
    tracking.log_param(made.info.run_id, "db_password", "hunter2")
    for step, value in enumerate((0.90, 0.94)):
        tracking.log_metric(made.info.run_id, "accuracy", value, step=step)
    tracking.log_metric(made.info.run_id, "loss", float("nan"))
    tracking.set_tag(made.info.run_id, "mlflow.source.git.commit", COMMIT)
    tracking.set_tag(made.info.run_id, "mlflow.source.git.repoURL", "https://me:pw@git.example.com/churn.git")
    tracking.set_terminated(made.info.run_id)
    return tracking.get_run(made.info.run_id)


def write_artifacts(tracking: Any, run_id: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "model").mkdir(parents=True)
    (files / "model" / "model.pkl").write_bytes(b"\x80\x04weights")
    (files / "model" / "MLmodel").write_text("flavors:\n  python_function: {}\n  lightgbm: {}\n")
    (files / "model" / "requirements.txt").write_text("lightgbm\n")
    (files / "README.md").write_text("# churn\n")
    tracking.log_artifacts(run_id, str(files))


def said(reference: str, kind: str) -> Any:
    found = find_kit(reference)
    (evidence,) = read_evidence(found.storage, found.manifest.digest, predicate_type=kind)
    found.storage.close()
    assert evidence.statement is not None
    return evidence.statement.predicate


def test_a_run_becomes_a_kit_with_parameters_metrics_and_origin(run: Any, registry: str, tmp_path: Path) -> None:
    name = f"{registry}/mlflow/{uuid.uuid4().hex[:12]}:1"
    info = run.info
    record = kitops.import_kit(f"mlflow://runs/{info.run_id}", name, push=True)
    assert record.origin == f"mlflow://experiments/{info.experiment_id}/runs/{info.run_id}"
    assert {layer.path for layer in record.layers} == {
        "README.md",
        "model/MLmodel",
        "model/model.pkl",
        "model/requirements.txt",
    }
    with kitops.open(name) as opened:
        model = opened.kitfile.model
        assert opened.kitfile.package.name == "Churn v8"
    assert model is not None
    assert (model.path, model.framework) == ("model/model.pkl", "lightgbm")
    assert model.parameters == {"max_depth": 8, "booster": "gbtree", "early_stop": True, "db_password": "***"}
    built = said(name, SLSA_PROVENANCE)["buildDefinition"]
    assert built["buildType"] == "urn:kitops-core:build/import/v1"
    assert built["externalParameters"]["parameters"] == {
        "run": info.run_id,
        "experiment": info.experiment_id,
        **model.parameters,
    }
    assert [item["uri"] for item in built["resolvedDependencies"]] == [
        f"git+https://git.example.com/churn.git@{COMMIT}",
        record.origin,
    ]
    assert read_metrics(said(name, TEST_RESULT)) == {"accuracy": 0.94}
    assert "hunter2" not in json.dumps(built) + str(record)
    again = kitops.import_kit(f"mlflow://experiments/{info.experiment_id}/runs/{info.run_id}", name, push=True)
    assert (again.digest, again.changed, again.sent) == (record.digest, False, 0)
    assert not list(Path(tmp_path).glob("kitops-mlflow-*"))


def test_a_part_of_a_run(run: Any) -> None:
    record = kitops.import_kit(f"mlflow://runs/{run.info.run_id}/model", "part:1")
    assert {layer.path for layer in record.layers} == {"MLmodel", "model.pkl", "requirements.txt"}
    assert record.origin.endswith(f"/runs/{run.info.run_id}/model")


def test_one_file_of_a_run(run: Any) -> None:
    record = kitops.import_kit(f"mlflow://runs/{run.info.run_id}/model/model.pkl", "file:1")
    assert [layer.path for layer in record.layers] == ["model.pkl"]


@pytest.mark.parametrize("which", ["1", "@champion"])
def test_a_registered_model(run: Any, tracking: Any, which: str) -> None:
    name = f"Churn Model {uuid.uuid4().hex[:8]}"
    tracking.create_registered_model(name)
    tracking.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id, description="Who leaves")
    tracking.set_registered_model_alias(name, "champion", "1")
    quoted = name.replace(" ", "%20")
    record = kitops.import_kit(f"mlflow://models/{quoted}/{which}")
    assert record.reference == name.lower().replace(" ", "-") + ":latest"
    assert record.origin == f"mlflow://models/{quoted}/1"
    assert (record.kit["name"], record.kit["version"], record.kit["description"]) == (name, "1", "Who leaves")
    uris = [item["uri"] for item in said(record.reference, SLSA_PROVENANCE)["buildDefinition"]["resolvedDependencies"]]
    assert uris[1:] == [record.origin, f"mlflow://experiments/{run.info.experiment_id}/runs/{run.info.run_id}"]


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_only_finished_runs(tracking: Any, status: str) -> None:
    made = tracking.create_run("0")
    if status != "RUNNING":
        tracking.set_terminated(made.info.run_id, status)
    with pytest.raises(InvalidInputError, match=f"is {status}, and only one that is FINISHED"):
        kitops.import_kit(f"mlflow://runs/{made.info.run_id}")


def test_what_is_not_there_is_said(tracking: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nosuchrun"):
        kitops.import_kit("mlflow://runs/nosuchrun")
    with pytest.raises(NotFoundError, match="nosuchmodel"):
        kitops.import_kit("mlflow://models/nosuchmodel/1")
    with pytest.raises(NotFoundError, match="not in 77"):
        kitops.import_kit(f"mlflow://experiments/77/runs/{run.info.run_id}")
    kitfile = kitops.Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: none.bin}\n")
    with pytest.raises(SourceError, match=r"none\.bin"):
        kitops.import_kit(f"mlflow://runs/{run.info.run_id}", "a:1", kitfile=kitfile)
    empty = tracking.create_run(
        tracking.create_experiment(uuid.uuid4().hex, artifact_location=(tmp_path / "no").as_uri())
    )
    tracking.set_terminated(empty.info.run_id)
    with pytest.raises(SourceError, match="has no files to import"):
        kitops.import_kit(f"mlflow://runs/{empty.info.run_id}")


def test_a_server_must_be_named_and_the_client_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow.set_tracking_uri(None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InvalidInputError, match="no MLflow server is named"):
        kitops.import_kit("mlflow://runs/1")
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(InvalidInputError) as refused:
        kitops.import_kit("mlflow://runs/1")
    assert "kitops-core[mlflow]" in refused.value.hint


def test_waiting_for_files_that_do_not_come_ends_when_cancelled(
    tracking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's files are on a server that takes the question and is silent."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cancel = Cancel()
    cancelled: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/api/2.0/mlflow-artifacts/artifacts"
        made = tracking.create_run(tracking.create_experiment(uuid.uuid4().hex, artifact_location=place))
        tracking.set_terminated(made.info.run_id)

        def when_asked() -> None:
            with silent.accept()[0] as asked:
                asked.recv(1)
                cancelled.append(time.monotonic())
                cancel.cancel()
                over.wait(60)

        over = threading.Event()
        silent.settimeout(60)
        asker = threading.Thread(target=when_asked, daemon=True)
        asker.start()
        with pytest.raises(CancelledError):
            client(cancel=cancel).import_kit(f"mlflow://runs/{made.info.run_id}", "never:1")
        took = time.monotonic() - cancelled[0]
        over.set()
        asker.join()
    assert took < 3  # it takes milliseconds, and MLflow itself waits for two minutes; a busy machine gets more
    assert [name for name in os.listdir(tmp_path) if name.startswith("kitops-mlflow-")] == []


def test_the_command(run: Any) -> None:
    ran = ok("import", f"mlflow://runs/{run.info.run_id}")
    assert ran.out.startswith("imported  churn-v8:latest  sha256:")
    assert ran.out.endswith(f"from  mlflow://experiments/{run.info.experiment_id}/runs/{run.info.run_id}\n")
    assert f"runs/{run.info.run_id}" in ok("lineage", "churn-v8:latest").out
    assert kit("import", f"mlflow://runs/{run.info.run_id}", "--ref", "main").code == 3
    shown = ok("import", f"mlflow://runs/{run.info.run_id}", "--print-kitfile").out
    assert kitops.Kitfile.parse(shown).model.parameters["max_depth"] == 8


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mlflow://runs/abc", MlflowName(run="abc")),
        ("mlflow://runs/abc/model/a%20b", MlflowName(run="abc", path="model/a b")),
        ("mlflow://host.example:5000/runs/abc", MlflowName("host.example:5000", run="abc")),
        ("mlflow://h.example/experiments/7/runs/abc", MlflowName("h.example", run="abc", experiment="7")),
        ("mlflow://models/My%20Model/3", MlflowName(model="My Model", version="3")),
        ("mlflow://models/churn/@champion", MlflowName(model="churn", alias="champion")),
    ],
)
def test_names(text: str, name: MlflowName) -> None:
    assert parse_mlflow_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "mlflow://",
        "mlflow://runs",
        "mlflow://runs/",
        "mlflow://experiments/7",
        "mlflow://models/churn",
        "mlflow://models/churn/@",
        "mlflow://models/churn/latest",
        "mlflow://runs/abc/../../etc",
        "mlflow://me:secretsecret@host/runs/abc",
    ],
)
def test_no_names(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_mlflow_name(text)
    assert "secretsecret" not in str(refused.value)


def test_servers_are_spoken_to_over_tls_but_on_this_machine() -> None:
    assert parse_mlflow_name("mlflow://ml.example.com/runs/a").tracking_uri == "https://ml.example.com"
    assert parse_mlflow_name("mlflow://127.0.0.1:5000/runs/a").tracking_uri == "http://127.0.0.1:5000"

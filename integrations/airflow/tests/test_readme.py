"""What the README shows for Airflow is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

import kitops_core as kitops


def test_the_dag_of_the_readme_packs_a_kit(
    airflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model" / "model.onnx").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)

    bag = DagBag(Path(__file__).parent / "dags")
    assert bag.import_errors == {}
    assert bag.dags["train_churn"].test().state == "success"
    with kitops.open("churn:dev") as kit:
        assert kit.read("model.onnx") == b"weights"

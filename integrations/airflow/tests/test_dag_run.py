"""The engine works inside a real DAG run, beside everything Airflow installs."""

from __future__ import annotations

from pathlib import Path

import kitops_core as kitops


def test_a_kit_packed_by_one_task_is_opened_by_the_next(airflow_database: Path, tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(Path(__file__).parent / "dags")
    assert bag.import_errors == {}
    run = bag.dags["kit_round_trip"].test(run_conf={"directory": str(tmp_path), "reference": "churn:1.0"})

    assert run.state == "success"
    assert (tmp_path / "out/model.bin").read_bytes() == b"weights"
    assert not (tmp_path / "out/README.md").exists()
    with kitops.open("churn:1.0") as kit:
        assert kit.kitfile.package.name == "churn"

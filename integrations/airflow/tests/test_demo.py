"""The demo's DAGs do what `make demo-airflow` says of them, run without a server of Airflow's."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import events, result, run, states

import kitops_core as kitops

DEMO = Path(__file__).parents[1] / "demo"
pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="the demo writes Airflow 3"),
]


@pytest.fixture
def demo(registry: str, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Names of the DAG file about the variants, over a home like that which the demo makes."""
    policy = runpy.run_path(str(DEMO / "__main__.py"))["VARIANTS"]
    (tmp_path / "llm.yaml").write_text(policy.format(repository=f"{registry}/demo/llm"))
    monkeypatch.setenv("DEMO_HOME", str(tmp_path))
    monkeypatch.setenv("DEMO_REPOSITORY", f"{registry}/demo/churn")
    return runpy.run_path(str(DEMO / "dags" / "llm.py"))


def test_mapped_tasks_pack_three_quantisations_whose_index_is_promoted_and_served_by_label(
    demo: dict[str, Any], registry: str, tmp_path: Path
) -> None:
    dag_run = run(demo["quantize_llm"]())
    assert set(states(dag_run).values()) == {"success"}
    packed = [result(dag_run, "pack", map_index=number)["digest"] for number in range(3)]
    index = result(dag_run, "index")
    assert {one["digest"] for one in index["variants"]} == {*packed}
    assert events(demo["VARIANTS"].uri)[-1]["digest"] == index["digest"]
    promoted = result(dag_run, "to_prod")
    assert promoted["digest"] == index["digest"] == kitops.resolve(f"{registry}/demo/llm:prod")
    assert sorted((one["tag"], one["digest"]) for one in promoted["kit"]["variants"]) == sorted(
        zip(("q4", "q8", "q16"), packed, strict=True)
    )
    assert {gate["kind"] for gate in promoted["gates"]} >= {"signed", "metric"}
    (record,) = kitops.history("prod", policy=tmp_path / "llm.yaml")
    assert record.digest == index["digest"]
    assert result(dag_run, "serve") == {"kit": packed[1], "bits": 8}
    assert (tmp_path / "served" / "model.json").is_file()

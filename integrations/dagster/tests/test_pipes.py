"""A process that Dagster started with Pipes says which kit it packed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
from runs import data_version, materialization, metadata, run

from dagster_kitops import ModelKit

SCRIPT = """
from pathlib import Path
import kitops_core as kitops
from dagster_kitops.pipes import report_modelkit
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    Path("model.bin").write_bytes(b"weights")
    kit = kitops.pack(kitops.Contents(model="model.bin"), "churn:latest")
    report_modelkit(pipes, kit)
"""


@dg.asset
def churn(context, pipes_subprocess_client: dg.PipesSubprocessClient):
    command = [sys.executable, "train.py"]
    return pipes_subprocess_client.run(command=command, context=context).get_materialize_result()


@dg.asset(ins={"churn": dg.AssetIn(input_manager_key="modelkit")})
def use(churn: ModelKit) -> bytes:
    return churn.read("model.bin")


def test_a_kit_packed_by_another_process_is_loaded_like_any_other(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    result = run([churn, use], instance, more={"pipes_subprocess_client": dg.PipesSubprocessClient(cwd=str(tmp_path))})
    assert result.output_for_node("use") == b"weights"
    assert data_version(instance, "churn") == metadata(instance, "churn")["kitops/digest"]
    shown = materialization(instance, "churn").metadata
    table, command = shown["kitops/layers"], shown["kitops/unpack_command"].value
    assert isinstance(table, dg.TableMetadataValue)
    assert [(row.data["section"], row.data["path"]) for row in table.records] == [("model", "model.bin")]
    assert command == f"kitops unpack churn@{data_version(instance, 'churn')} --dir churn"
    assert metadata(instance, "churn")["kitops/record"]["reference"] == "churn:latest"


def test_reporting_needs_no_dagster() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['dagster', 'dagster_shared']))\n"  # as where they are not installed
        "import dagster_kitops.pipes"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""A process that Dagster started with Pipes says which kit it packed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
from runs import data_version, materialization, metadata, run

import kitops_core as kitops
from dagster_kitops import ModelKit

SCRIPT = """
from pathlib import Path
import kitops_core as kitops
from dagster_kitops.pipes import report_modelkit
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    Path("model.bin").write_bytes(b"weights")
    Path("base.bin").write_bytes(b"base")
    base = kitops.pack(kitops.Contents(model="base.bin"), "base:latest")
    contents = kitops.Contents(model="model.bin", license="MIT", parameters={"metrics": {"accuracy": 0.9}})
    kit = kitops.pack(contents, "churn:latest", parents=[f"base@{base.digest}"])
    report_modelkit(pipes, kit)
"""

ELSEWHERE = """
from pathlib import Path
import kitops_core as kitops
from dagster_kitops.pipes import report_modelkit
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes, kitops.Client(store="another-store") as client:
    Path("model.bin").write_bytes(b"weights")
    kit = client.pack(kitops.Contents(model="model.bin"), "churn:latest")
    report_modelkit(pipes, kit{given})
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
    with kitops.open("base:latest") as base, kitops.open("churn:latest") as kit:
        assert metadata(instance, "churn")["kitops/parents"] == [f"base@{base.digest}"]
        assert metadata(instance, "churn")["kitops/kitfile"] == f"```yaml\n{kit.kitfile.to_yaml()}```"
    assert metadata(instance, "churn")["kitops/metric/accuracy"] == 0.9


def test_a_kit_that_the_default_client_does_not_find_is_read_by_the_one_that_packed_it(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, has_kitfile in (("", False), (", client=client", True)):
        Path("train.py").write_text(ELSEWHERE.format(given=given))
        resources = {"pipes_subprocess_client": dg.PipesSubprocessClient(cwd=str(tmp_path))}
        assert run([churn], instance, more=resources).success
        assert ("kitops/kitfile" in metadata(instance, "churn")) is has_kitfile


def test_reporting_needs_no_dagster() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['dagster', 'dagster_shared']))\n"  # as where they are not installed
        "import dagster_kitops.pipes"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

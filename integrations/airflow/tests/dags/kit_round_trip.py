"""A DAG that packs a kit in one task and opens it, by the digest the first one returned, in the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import dag, task


@dag(schedule=None, params={"directory": "", "reference": ""})
def kit_round_trip() -> None:
    @task
    def train(params: dict[str, Any]) -> dict[str, Any]:
        import kitops_core as kitops

        directory = Path(params["directory"])
        (directory / "model.bin").write_bytes(b"weights")
        (directory / "README.md").write_text("# Churn\n")
        contents = kitops.Contents(
            model=directory / "model.bin", docs=[directory / "README.md"], parameters={"max_depth": 8}, name="churn"
        )
        return kitops.pack(contents, params["reference"]).to_dict()

    @task
    def use(kit: dict[str, Any], params: dict[str, Any]) -> str:
        import kitops_core as kitops

        name = params["reference"].partition(":")[0]
        with kitops.open(f"{name}@{kit['digest']}") as opened:
            assert opened.kitfile.model is not None
            assert opened.kitfile.model.parameters == {"max_depth": 8}
            opened.unpack(Path(params["directory"]) / "out", only=["model"])
            return opened.read("README.md").decode()

    use(train())


kit_round_trip()

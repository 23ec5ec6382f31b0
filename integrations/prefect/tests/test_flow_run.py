"""The engine works inside a real flow run, beside everything Prefect installs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kitops_core as kitops


def test_a_kit_packed_by_one_task_is_opened_by_the_next(prefect_server: None, tmp_path: Path) -> None:
    from prefect import flow, task

    @task
    def train(directory: Path, reference: str) -> dict[str, Any]:
        (directory / "model.bin").write_bytes(b"weights")
        (directory / "README.md").write_text("# Churn\n")
        contents = kitops.Contents(
            model=directory / "model.bin", docs=[directory / "README.md"], parameters={"max_depth": 8}, name="churn"
        )
        return kitops.pack(contents, reference).to_dict()

    @task
    def use(directory: Path, kit: dict[str, Any]) -> str:
        with kitops.open(f"{kit['repository']}@{kit['digest']}") as opened:
            assert opened.kitfile.model is not None
            assert opened.kitfile.model.parameters == {"max_depth": 8}
            opened.unpack(directory / "out", only=["model"])
            return opened.read("README.md").decode()

    @flow
    def churn(directory: Path, reference: str) -> str:
        return use(directory, train(directory, reference))

    assert churn(tmp_path, "churn:1.0") == "# Churn\n"
    assert (tmp_path / "out/model.bin").read_bytes() == b"weights"
    assert not (tmp_path / "out/README.md").exists()

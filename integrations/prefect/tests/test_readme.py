"""What the README shows for Prefect is what happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[3] / "tests"))

from readme import snippet

import kitops_core as kitops


def test_the_flow_of_the_readme_packs_a_kit(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model" / "model.onnx").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn_flow.py").write_text(snippet("prefect"))
    monkeypatch.syspath_prepend(tmp_path)
    import churn_flow  # type: ignore[import-not-found]

    flow: Any = churn_flow.train_churn
    digest = flow()
    with kitops.open(f"churn@{digest}") as kit:
        assert kit.read("model.onnx") == b"weights"

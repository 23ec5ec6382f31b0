"""What the READMEs show for Dagster is what happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from readme import snippet
from runs import QUIET


def run(example: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    names: dict[str, Any] = {"__name__": "definitions"}
    exec(compile(example, "README.md", "exec"), names)
    job = names["defs"].resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, run_config=QUIET)


def test_the_projects_example_packs_a_kit_and_reads_it(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(snippet("dagster"), instance).asset_value("depth") == 8


def test_its_own_example_packs_a_model_with_its_card(instance: dg.DagsterInstance, registry: str) -> None:
    example = snippet("wine", "integrations/dagster/README.md").replace("registry.example.com", registry)
    card = run(example, instance).asset_value("card")
    assert card.startswith("# wine\n")
    assert "| accuracy | 0." in card


def test_the_resource_with_credentials_is_made() -> None:
    names: dict[str, Any] = {}
    text = snippet("credentials", "integrations/dagster/README.md")
    exec("import dagster as dg\nfrom dagster_kitops import KitOpsResource\nresource = " + text, names)
    assert names["resource"].username == "ci"

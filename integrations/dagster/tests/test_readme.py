"""The README's example is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
from runs import QUIET

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs_as_it_stands_but_for_the_registry(instance: dg.DagsterInstance, registry: str) -> None:
    example = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {"__name__": "definitions"}
    exec(compile(example.replace("registry.example.com", registry), "README.md", "exec"), names)
    job = names["defs"].resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, run_config=QUIET)
    assert result.asset_value("card").startswith("# wine\n")
    assert "| accuracy | 0." in result.asset_value("card")

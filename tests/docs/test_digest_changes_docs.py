"""docs/digest-changes.md: its command, and its very answer."""

from __future__ import annotations

from pathlib import Path

from cli_runner import ok
from layer_files import write_files
from readme import snippet
from weight_files import safetensors

import kitops_core as kitops

PAGE = "docs/digest-changes.md"


def test_the_answer_is_the_commands(registry: str, tmp_path: Path) -> None:
    for tag, day in (("1", "Monday"), ("2", "Tuesday")):
        weights = safetensors({"a": b"1" * 200, "b": b"2" * 200}, {"trained_at": day})
        kitfile = "manifestVersion: 1.0.0\nmodel: {path: model.safetensors}\n"
        write_files(tmp_path / tag, {"Kitfile": kitfile, "model.safetensors": weights})
        kitops.pack(tmp_path / tag, f"{registry}/ml/churn:{tag}", push=True)
    command = snippet("diff", PAGE).removeprefix("$ kitops ").replace("registry.example.com", registry)
    assert ok(*command.split()).out.splitlines() == snippet("output", PAGE).splitlines()

"""What `make bench` runs for Dagster runs, small and once."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks/io_manager.py"


@pytest.mark.slow
def test_each_figure_is_measured(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    main = script["main"]
    monkeypatch.setitem(main.__globals__, "MIB", 1024)
    monkeypatch.setattr("sys.argv", ["io_manager", registry, registry, str(tmp_path), "--rounds", "1"])
    main()
    took = json.loads(capsys.readouterr().out)
    times = {"materialized", "packed", "unchanged", "backfill", "one_by_one"}
    assert set(took) == {*times, "added", "ratio"}
    assert all(took[name] > 0 for name in times)

"""Memory holds an object once, also while it is packed and while it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LARGE = Path(__file__).with_name("large.py")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "what"), [("arrays", "store"), ("arrays", "load"), ("frame", "load")])
def test_an_object_is_in_memory_once_as_it_is_packed_and_as_it_is_loaded(kind: str, what: str, tmp_path: Path) -> None:
    store = str(tmp_path / "kits")
    for step in ("store",) if what == "store" else ("store", "load"):
        done = subprocess.run([sys.executable, LARGE, step, kind, store], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert 0.9 < float(done.stdout) < 1.3

"""Memory holds an object once, also while it is packed and while it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LARGE = Path(__file__).with_name("large.py")


@pytest.mark.slow
def test_a_dict_of_arrays_is_in_memory_once_as_it_is_packed_and_as_it_is_loaded(tmp_path: Path) -> None:
    for what in ("store", "load"):
        done = subprocess.run([sys.executable, LARGE, what, tmp_path / "kits"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert 0.9 < float(done.stdout) < 1.3, what

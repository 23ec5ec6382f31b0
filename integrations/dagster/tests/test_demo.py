"""`make demo` tells its story, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"


def run_demo(examples: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return subprocess.run(
        [sys.executable, str(examples / "demo.py")],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary), "COLUMNS": "80"},
    )


def test_the_demo_trains_packs_compares_and_uses_a_kit(tmp_path: Path, home: Path) -> None:
    before = sorted(home.rglob("*"))
    done = run_demo(EXAMPLES, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""

    first, again, other = re.findall(r"(packed|unchanged) +digit_reader:latest +(\S+)", done.stdout)[:3]
    assert first[0] == other[0] == "packed"
    assert again == ("unchanged", first[1])
    assert other[1] != first[1]
    assert "model.parameters.C" in done.stdout
    assert "the same digits that the asset graph read" in done.stdout

    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(home.rglob("*")) == before


def test_a_demo_that_fails_says_so_in_a_sentence(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    (tmp_path / "examples/digits/predict.py").write_text("print(1, 2, 3)\n")
    done = run_demo(tmp_path / "examples", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "The demo failed: the unpacked model reads other digits"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_demo_that_breaks_says_what_broke(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    (tmp_path / "examples/digits/predict.py").unlink()
    done = run_demo(tmp_path / "examples", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("The demo failed: ")
    assert "predict.py" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []

"""Findings about other software: each in the stated form, and in the index with what is done about it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[2] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))
FORM = ("# Software:", "# Guessed:", "# Seen:", "# Seen when run:", "# Needs ")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_says_what_was_guessed_and_seen_and_fails_when_that_changes(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    said = text.partition("set -euo pipefail")[0]
    at = [said.find(f"\n{part}") for part in FORM]
    assert -1 not in at, FORM[at.index(-1)]
    assert at == sorted(at)
    assert "0: as stated; 1: changed" in said
    assert os.access(script, os.X_OK)
    assert re.search(r"==\d|@v\d|version", text), "it installs pinned versions"
    assert "kitops_core" not in text, "it runs other software without ours"


def test_the_index_has_each_finding_once_and_says_what_is_done_about_it() -> None:
    rows = re.findall(
        r"^\| \[([\w-]+)\]\(([\w-]+)\.sh\) \| (.+) \| (.+) \|$", (FINDINGS / "README.md").read_text(), re.M
    )
    assert [name for name, *_ in rows] == [script.stem for script in SCRIPTS]
    assert all(name == file and seen and done for name, file, seen, done in rows)

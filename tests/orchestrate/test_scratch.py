"""A directory for the length of a block, and what is left of those whose process was killed."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitops_core.orchestrate.scratch import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_there_for_the_length_of_the_block_also_when_that_fails(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch("kitops-test-") as directory:
        (directory / "file").write_bytes(bytes(1 // 0 if directory.is_dir() else 1))
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_is_in_use_or_of_others_stays(temporary: Path) -> None:
    for name in ("kitops-test-left", "kitops-other-left"):
        (temporary / name).mkdir()
        (temporary / name / ".lock").touch()
    with scratch("kitops-test-") as first, scratch("kitops-test-"):
        assert first.is_dir()
        assert not (temporary / "kitops-test-left").exists()
    assert [path.name for path in temporary.iterdir()] == ["kitops-other-left"]


def test_none_is_swept_while_it_is_being_made(temporary: Path) -> None:
    def use(_: int) -> bool:
        with scratch("kitops-test-") as directory:
            return directory.is_dir()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(400)))
    assert list(temporary.iterdir()) == []

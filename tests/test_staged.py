"""Where files on their way lie, and how what killed processes left of them is found and removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitops_core.errors import StoreError
from kitops_core.staged import STALE_SECONDS, Swept, scratch, sweep_scratch

STAGES = """
import os, signal, sys
from kitops_core.staged import scratch
with scratch(sys.argv[1]) as files:
    (files / "model.bin").write_bytes(b"x" * 1000)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, of this test only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def staging(purpose: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of its work."""
    command = [sys.executable, "-c", STAGES, purpose]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process


def left_behind(place: Path, purpose: str = "airflow") -> Path:
    """What a process that was killed left."""
    with staging(purpose) as process:
        (directory,) = place.glob(f"kitops-{purpose}-*")
        process.send_signal(signal.SIGKILL)
    return directory


def test_it_is_empty_private_and_gone_after_the_block(place: Path) -> None:
    with scratch("dagster") as files:
        assert list(files.iterdir()) == []
        (outer,) = place.iterdir()
        assert outer.name.startswith("kitops-dagster-")
        assert outer.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_whoever_stages_next_removes_what_was_left_whatever_it_was_for(place: Path) -> None:
    left = left_behind(place, "airflow")
    with scratch("dagster"):
        assert not left.exists()


def test_what_a_living_process_uses_stays_however_old(place: Path) -> None:
    with staging("airflow") as process:
        (used,) = place.iterdir()
        os.utime(used, (0, 0))
        assert sweep_scratch() == Swept(0, 0)
        assert (used / "files" / "model.bin").exists()
        process.communicate(b"")
    assert not used.exists()


def test_a_dry_run_only_counts(place: Path) -> None:
    left = left_behind(place)
    assert sweep_scratch(dry_run=True) == Swept(1, 1000)
    assert left.is_dir()
    assert sweep_scratch() == Swept(1, 1000)
    assert not left.exists()


def test_one_that_lost_its_lock_goes_after_a_day(place: Path) -> None:
    left = left_behind(place)
    (left / "lock").unlink()
    assert sweep_scratch().directories == 0
    old = time.time() - STALE_SECONDS - 60
    os.utime(left, (old, old))
    assert sweep_scratch().directories == 1


@pytest.mark.parametrize("name", ["kitops-airflow-notes", "kitops-0123456789ab", "kitops-a-0123456789abc", "my-kitops"])
def test_what_is_not_called_as_ours_are_stays(place: Path, name: str) -> None:
    (place / name).mkdir()
    (place / name / "lock").touch()
    os.utime(place / name, (0, 0))
    assert sweep_scratch().directories == 0
    assert (place / name).is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_of_another_user_stays(place: Path) -> None:
    left = left_behind(place)
    os.chown(left, 12345, 12345)
    assert sweep_scratch().directories == 0
    assert left.is_dir()


def test_without_a_directory_for_temporary_files_it_lies_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with scratch("dagster") as files:
        assert files.is_relative_to("/dev/shm")
    assert not files.exists()


def test_where_nothing_can_be_written_it_says_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "gone"))
    with pytest.raises(StoreError, match="no directory for temporary files") as caught, scratch("dagster"):
        pass
    assert "TMPDIR" in caught.value.hint


def test_none_is_swept_while_it_is_being_made(place: Path) -> None:
    def use(_: int) -> bool:
        with scratch("test") as files:
            return files.is_dir()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(400)))
    assert list(place.iterdir()) == []

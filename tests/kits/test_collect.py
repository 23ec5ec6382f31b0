"""What `gc` finds beside blobs: what killed processes staged, and kits that were never pushed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from cli_runner import ok

import kitops_core as kitops
from kitops_core import Client
from kitops_core.storage.local import LocalStore

DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, of this test only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, float]:
    """Kits that a pipeline could not push, with the days since, and one that is a user's own and as old."""
    ages = {"unpushed/run-1/churn": 30.0, "unpushed/run-2/churn": 1.0, "churn": 30.0}
    (tmp_path / "model.bin").write_bytes(b"weights")
    for name, days in ages.items():
        kitops.pack(kitops.Contents(model=tmp_path / "model.bin"), f"{name}:1")
        then = time.time() - days * DAY
        os.utime(LocalStore().files.tags_path(f"localhost/{name}"), (then, then))
    return ages


def left_behind(place: Path) -> Path:
    left = place / "kitops-airflow-0123456789ab"
    (left / "files").mkdir(parents=True)
    (left / "lock").touch()
    (left / "files" / "model.bin").write_bytes(b"x" * 2048)
    return left


def test_what_killed_processes_staged_goes_and_is_told(place: Path) -> None:
    left = left_behind(place)
    assert ok("gc", "--dry-run").out == "would free  2.0 KiB  0 blobs  1 left by killed processes\n"
    assert left.is_dir()
    report = ok("gc", "--json").json
    assert (report["staged"], report["freed"]) == (1, 2048)
    assert not left.exists()


@pytest.mark.usefixtures("kept")
def test_kits_that_wait_for_being_pushed_are_told_and_stay() -> None:
    said = ok("gc").out
    assert said.count("kept") == said.count("not pushed yet") == 2
    assert "unpushed/run-1/churn" in said
    assert len(kitops.list_kits()) == 3


@pytest.mark.usefixtures("kept")
def test_those_that_are_too_old_go_only_when_that_is_asked_for() -> None:
    with Client() as client:
        planned = client.gc(unpushed_seconds=7 * DAY, dry_run=True)
        assert planned.given_up == ("unpushed/run-1/churn",)
        assert len(client.list_kits()) == 3
        report = client.gc(unpushed_seconds=7 * DAY)
        assert (report.given_up, report.unpushed) == (("unpushed/run-1/churn",), ("unpushed/run-2/churn",))
        assert sorted(kit.repository for kit in client.list_kits()) == ["churn", "unpushed/run-2/churn"]
    assert ok("gc", "--unpushed", "1h").out.splitlines()[1:] == ["removed   unpushed/run-2/churn   not pushed for 1h"]

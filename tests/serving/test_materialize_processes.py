"""Several processes that serve from one volume, and processes that die while they fill it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, Handler, Seen, delay
from serving_kits import FILES, FLAT, materializing, push, read, releases, write

import kitops_core as kitops

pytestmark = pytest.mark.slow


def layers(reference: str) -> list[str]:
    """The digests of the layers with the model and its parts."""
    with kitops.open(reference, where="registry") as opened:
        return [layer.descriptor.digest for layer in opened.layers if layer.entry.section in ("model", "modelpart")]


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_six_processes_fetch_a_kit_once(faults: FaultProxy, tmp_path: Path) -> None:
    reference, to = push(faults.address, tmp_path / "kit"), tmp_path / "volume" / "churn"
    digests = layers(reference)
    faults.fault("GET", f"/blobs/{digests[0]}", delay(2))
    processes = [materializing(reference, to, "--json") for _ in range(6)]
    outs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, outs
    assert [faults.count("GET", f"/blobs/{digest}") for digest in digests] == [1, 1, 1]
    assert sum('"fetched": true' in out for out, _ in outs) == 1
    assert any("waiting for process" in err for _, err in outs)
    assert read(to) == FLAT
    assert len(releases(to)) == 1


def test_when_the_one_that_fetches_is_killed_another_takes_over(faults: FaultProxy, tmp_path: Path) -> None:
    reference, to = push(faults.address, tmp_path / "kit"), tmp_path / "volume" / "churn"
    blob = f"/blobs/{layers(reference)[0]}"
    release = threading.Event()

    def hang(handler: Handler, seen: Seen) -> None:
        release.wait(60)

    faults.fault("GET", blob, hang)
    first = materializing(reference, to, "--stale-after", 2)
    eventually(lambda: faults.count("GET", blob) == 1)
    second = materializing(reference, to, "--stale-after", 2)
    assert second.stderr is not None
    line = second.stderr.readline()
    assert "waiting for process" in line, line
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    out, err = second.communicate(timeout=120)
    release.set()
    assert second.returncode == 0, err
    assert "materialized" in out
    assert read(to) == FLAT
    assert len(releases(to)) == 1


def test_a_process_that_is_told_to_stop_leaves_nothing_and_lets_the_next_one_in(
    faults: FaultProxy, tmp_path: Path
) -> None:
    reference, to = push(faults.address, tmp_path / "kit"), tmp_path / "volume" / "churn"
    digest = layers(reference)[0]
    faults.fault("GET", f"/blobs/{digest}", delay(3))
    process = materializing(reference, to)
    eventually(lambda: faults.count("GET", f"/blobs/{digest}") == 1)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert releases(to) == []
    kitops.materialize(reference, to, where="registry")
    assert read(to) == FLAT


def test_while_kits_change_a_reader_sees_one_kit_or_the_other(registry: str, tmp_path: Path) -> None:
    to = tmp_path / "volume" / "churn"
    versions = {}
    for version in ("a", "b"):
        files = dict.fromkeys(("models/churn/model.bin", "models/churn/config.json"), version)
        versions[version] = push(registry, write(tmp_path / version), **files)
    kitops.materialize(versions["a"], to)
    stop, seen = threading.Event(), set[tuple[str, str]]()

    def look() -> None:
        while not stop.is_set():
            release = Path(os.readlink(to))
            pair = [(to.parent / release / name).read_text() for name in ("model.bin", "config.json")]
            seen.add((pair[0], pair[1]))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(10):
        kitops.materialize(versions["b"], to)
        kitops.materialize(versions["a"], to)
    stop.set()
    reader.join()
    assert seen <= {("a", "a"), ("b", "b")}


def dying(*args: object) -> int:
    """Run ``serving_crash.py``; how many deaths there were."""
    script = Path(__file__).parents[1] / "support" / "serving_crash.py"
    command = [sys.executable, "-W", "ignore", script, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_killed_at_any_point_it_shows_all_or_nothing_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    kitops.pack(write(tmp_path / "kit"), "churn:1.0")
    (tmp_path / "target").mkdir()
    assert dying("materialize", tmp_path / "target") > 20


def test_killed_at_any_point_a_mounted_directory_has_the_kit_before_or_the_kit_after(
    registry: str, tmp_path: Path
) -> None:
    kitfile = FILES["Kitfile"].replace("[{path: models/churn/config.json}", "[{path: models/churn/added.json}")
    after = push(registry, tmp_path / "after", **{"models/churn/added.json": "new", "Kitfile": kitfile})
    (tmp_path / "target").mkdir()
    assert dying("mount", tmp_path / "target", push(registry, tmp_path / "before"), after) > 20

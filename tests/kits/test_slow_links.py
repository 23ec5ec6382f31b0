"""The verbs over a link with a limit for each connection: a real registry behind a proxy that slows it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, Link, Seen

import kitops_core as kitops
from kitops_core.errors import CancelledError
from kitops_core.events import Cancel

pytestmark = pytest.mark.usefixtures("quiet_processor")
MODEL = os.urandom(24 * 1024 * 1024)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: large}\nmodel: {path: model.bin}\n")
    (root / "model.bin").write_bytes(MODEL)
    return root


@pytest.fixture
def slow(faults: FaultProxy, bundle: Path, home: Path) -> Iterator[str]:
    """A kit in a registry that is slow to send it."""
    reference = f"{faults.address}/slow/{uuid.uuid4().hex}:1"
    kitops.pack(bundle, reference, push=True)
    faults.every = Link()
    faults.seen.clear()
    yield reference
    faults.every = None


def unpacked(reference: str, tmp_path: Path, registry: str) -> bytes:
    kitops.unpack(reference, tmp_path / "there")
    return (tmp_path / "there" / "model.bin").read_bytes()


def opened(reference: str, tmp_path: Path, registry: str) -> bytes:
    with kitops.open(reference) as kit:
        return kit.read("model.bin")


def pulled(reference: str, tmp_path: Path, registry: str) -> bytes:
    kitops.pull(reference)
    kitops.unpack(reference, tmp_path / "there", where="store")
    return (tmp_path / "there" / "model.bin").read_bytes()


def materialized(reference: str, tmp_path: Path, registry: str) -> bytes:
    kitops.materialize(reference, tmp_path / "served")
    return (tmp_path / "served" / "model.bin").read_bytes()


def copied(reference: str, tmp_path: Path, registry: str) -> bytes:
    target = f"{registry}/copied/{uuid.uuid4().hex}:1"
    kitops.copy(reference, target)
    with kitops.open(target, where="registry") as kit:
        return kit.read("model.bin")


@pytest.mark.parametrize("way", [unpacked, opened, pulled, materialized, copied])
def test_one_large_file_comes_by_several_connections_in_whatever_way_it_is_fetched(
    slow: str, faults: FaultProxy, registry: str, tmp_path: Path, way: Callable[[str, Path, str], bytes]
) -> None:
    assert way(slow, tmp_path, registry) == MODEL
    assert len(faults.parts()) >= 3


def test_what_is_cancelled_while_parts_come_leaves_nothing(slow: str, faults: FaultProxy, tmp_path: Path) -> None:
    cancel = Cancel()

    def when_parts_come() -> None:
        while len(faults.parts()) < 2:
            time.sleep(0.01)
        cancel.cancel()

    thread = threading.Thread(target=when_parts_come)
    thread.start()
    with pytest.raises(CancelledError):
        client(cancel=cancel).unpack(slow, tmp_path / "there")
    thread.join()
    assert os.listdir(tmp_path) == ["bundle"]


@pytest.mark.slow
def test_a_process_that_is_killed_while_parts_come_leaves_nothing_that_counts(
    slow: str, faults: FaultProxy, tmp_path: Path
) -> None:
    script = "import sys, kitops_core as kitops; kitops.unpack(sys.argv[1], sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", script, slow, str(tmp_path / "there")])
    while len(faults.parts()) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "there").exists()
    assert unpacked(slow, tmp_path, "") == MODEL
    assert sorted(os.listdir(tmp_path)) == ["bundle", "there"]


def test_that_nothing_changed_is_told_by_two_requests_also_on_another_machine(
    faults: FaultProxy, tmp_path: Path
) -> None:
    root = tmp_path / "many"
    root.mkdir()
    entries = "".join(f"- {{name: d{index}, path: d{index}.csv}}\n" for index in range(40))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: many}}\ndatasets:\n{entries}")
    for index in range(40):
        (root / f"d{index}.csv").write_bytes(os.urandom(500))
    reference = f"{faults.address}/many/{uuid.uuid4().hex}:1"
    first = kitops.pack(root, reference, push=True)
    for path in root.iterdir():
        os.utime(path)
    time.sleep(0.05)  # past the clock tick within which files would be read again
    faults.seen.clear()
    second = client(store=tmp_path / "another-machine").pack(root, reference, push=True)
    assert (second.digest, second.changed, second.sent) == (first.digest, False, 0)
    assert [seen.method for seen in faults.seen] == ["HEAD", "GET"]
    faults.seen.clear()
    assert client(store=tmp_path / "another-machine").pack(root, reference, push=True).digest == first.digest
    assert [seen.method for seen in faults.seen] == ["HEAD"]

    (root / "d7.csv").write_bytes(os.urandom(500))
    third = client(store=tmp_path / "a-third-machine").pack(root, reference, push=True)
    assert [layer.path for layer in third.layers if layer.outcome == "written"] == ["d7.csv"]


def test_a_small_layer_is_sent_in_two_requests(faults: FaultProxy, tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    entries = "".join(f"- {{name: d{index}, path: d{index}.csv}}\n" for index in range(12))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: many}}\ndatasets:\n{entries}")
    for index in range(12):
        (root / f"d{index}.csv").write_bytes(os.urandom(500))
    reference = f"{faults.address}/many/{uuid.uuid4().hex}:1"
    record = kitops.pack(root, reference, push=True)
    assert {layer.outcome for layer in record.layers} == {"written"}
    assert faults.count("PATCH") == 0
    assert faults.count("POST") == faults.count("PUT", "/blobs/") == 12 + 1  # and the config
    kitops.unpack(reference, tmp_path / "there")
    assert (tmp_path / "there" / "d7.csv").read_bytes() == (root / "d7.csv").read_bytes()


def test_many_layers_are_fetched_many_at_a_time(
    faults: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a round trip of 50 ms; the proxy sees how many requests are under way."""
    root = tmp_path / "many"
    root.mkdir()
    entries = "".join(f"- {{name: d{index}, path: d{index}.csv}}\n" for index in range(120))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: many}}\ndatasets:\n{entries}")
    for index in range(120):
        (root / f"d{index}.csv").write_bytes(os.urandom(500))
    lock, under_way, most = threading.Lock(), [0], [0]

    def round_trip(handler: object, seen: Seen) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1

    faults.every = round_trip
    reference = f"{faults.address}/many/{uuid.uuid4().hex}:1"
    kitops.pack(root, reference, push=True)
    assert 8 < most[0] <= 32
    most[0] = 0
    kitops.unpack(reference, tmp_path / "there")
    assert 8 < most[0] <= 32
    most[0] = 0
    kitops.copy(reference, reference.replace("/many/", "/more/"))
    assert 8 < most[0] <= 32
    most[0] = 0
    monkeypatch.setattr("kitops_core.lanes._busy_seconds", lambda: (time.monotonic() * (os.cpu_count() or 1), 0.0))
    kitops.unpack(reference, tmp_path / "elsewhere", where="registry")  # each is small and far, however busy we are
    assert 8 < most[0] <= 32
    faults.every = None


MEASURED = """
import sys, kitops_core as kitops
verb, reference, directory = sys.argv[1:]
if verb == "pack":
    kitops.pack(directory, reference, push=True)
else:
    kitops.unpack(reference, directory)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), [(1, 256), (8, 24), (40, 6)])
def test_memory_stays_below_150_mib_whatever_the_size_and_the_number_of_layers(
    faults: FaultProxy, tmp_path: Path, count: int, size: int
) -> None:
    root = tmp_path / "files"
    root.mkdir()
    entries = "".join(f"- {{name: d{index}, path: d{index}.bin}}\n" for index in range(count))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: files}}\ndatasets:\n{entries}")
    for index in range(count):
        (root / f"d{index}.bin").write_bytes(os.urandom(1024 * 1024) * size + bytes([index]))
    faults.every = Link()
    reference = f"{faults.address}/memory/{uuid.uuid4().hex}:1"
    for verb, directory in (("pack", root), ("unpack", tmp_path / "there")):
        run = subprocess.run(
            [sys.executable, "-c", MEASURED, verb, reference, str(directory)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(run.stdout) < 150 * 1024
    assert faults.parts() or count == 40
    faults.every = None

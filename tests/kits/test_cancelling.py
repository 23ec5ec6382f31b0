"""Whatever a verb waits for, it ends within 200 ms of being told to stop, however many of its threads wait."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_proxy import Fault, FaultProxy, Link, answer, delay
from promotions import new_project
from stopping import SOON, seconds_to_stop

from kitops_core import Client, Registries
from kitops_core.events import Cancel
from kitops_core.storage.registry import RegistryOptions

LAYERS = 24
LONG = 15.0
SILENT, REFUSING = delay(LONG), answer(429, Retry_After="15")
pytestmark = pytest.mark.usefixtures("quiet_processor")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A kit of layers of all sizes: some are sent in one request, some in several, the largest is fetched in parts."""
    root = tmp_path / "bundle"
    root.mkdir()
    entries = "".join(f"- {{path: d{index}.csv}}\n" for index in range(LAYERS))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: model.bin}}\ndatasets:\n{entries}")
    (root / "model.bin").write_bytes(os.urandom(12 << 20))
    for index in range(LAYERS):
        (root / f"d{index}.csv").write_bytes(os.urandom(1000 if index % 2 else 600_000))
    return root


@pytest.fixture
def reference(faults: FaultProxy) -> str:
    return f"{faults.address}/cancelling/{uuid.uuid4().hex}:1"


def stopped_soon(work: Callable[[Client], object], when: Callable[[], bool]) -> bool:
    cancel = Cancel()
    with Client(registries=Registries(others=RegistryOptions(keep_trying=20)), cancel=cancel) as client:
        return seconds_to_stop(lambda _: work(client), when=when, cancel=cancel) < SOON


@pytest.mark.parametrize("fault", [SILENT, REFUSING], ids=["silent", "429"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_packing_to_a_registry(faults: FaultProxy, bundle: Path, reference: str, method: str, fault: Fault) -> None:
    faults.fault(method, "", fault, times=99)
    several = 3 if fault is SILENT and method != "PATCH" else 0
    pack: Callable[[Client], object] = lambda client: client.pack(bundle, reference, push=True)  # noqa: E731
    assert stopped_soon(pack, lambda: faults.count(method) > several)


@pytest.mark.parametrize("verb", ["pull", "unpack"])
@pytest.mark.parametrize("fault", [SILENT, REFUSING, Link(rate=2e6)], ids=["silent", "429", "slow"])
def test_fetching(faults: FaultProxy, bundle: Path, reference: str, tmp_path: Path, verb: str, fault: Fault) -> None:
    with Client() as packing:
        packing.pack(bundle, reference, push=True)
    faults.seen.clear()
    faults.fault("GET", "/blobs/", lambda *_: None)  # the Kitfile comes
    faults.fault("GET", "/blobs/", fault, times=999)
    works: dict[str, Callable[[Client], object]] = {
        "pull": lambda client: client.pull(reference),
        "unpack": lambda client: client.unpack(reference, tmp_path / "there", where="registry"),
    }
    assert stopped_soon(works[verb], lambda: faults.count("GET", "/blobs/") > (1 if fault is REFUSING else 3))
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("fault", [SILENT, REFUSING], ids=["silent", "429"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_promoting(faults: FaultProxy, tmp_path: Path, method: str, fault: Fault) -> None:
    project = new_project(tmp_path / "project", faults.address)
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}-released"})
    project.pack("1.0", "dev")
    faults.seen.clear()
    faults.fault(method, "", fault, times=99)
    assert stopped_soon(
        lambda client: client.promote("dev", "prod", policy=project.policy), lambda: faults.count(method) > 0
    )

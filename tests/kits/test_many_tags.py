"""A repository of very many tags: what is asked of each is not asked one after the other."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, delay
from promotions import QUICK, new_project
from request_chain import in_a_row

from kitops_core import Contents, Registries

TAGS, KITS = 40, 12
pytestmark = pytest.mark.usefixtures("quiet_processor")


def test_a_list_reads_several_tags_at_a_time_and_keeps_their_order(faults: FaultProxy, tmp_path: Path) -> None:
    name = f"{faults.address}/tags/{uuid.uuid4().hex[:8]}"
    (tmp_path / "model.bin").write_bytes(b"weights")
    with client(registries=Registries(others=QUICK)) as user:
        tags = [f"v{number:02}" for number in range(TAGS)]
        user.pack(Contents(model=tmp_path / "model.bin"), f"{name}:{tags[0]}", push=True, tags=tags[1:])
        faults.seen.clear()
        faults.every = delay(0.1)
        found = user.list_kits(name)
        faults.every = None
    assert [kit.tag for kit in found] == tags
    asked = Counter(seen.path.split("/")[4] for seen in faults.seen)
    assert asked["manifests"] == TAGS
    assert (
        asked["blobs"] <= TAGS / 2
    )  # they are one kit, whose Kitfile is read once; by those that begin at once, once each
    assert in_a_row(faults.seen) <= TAGS / 2


@pytest.mark.slow
def test_pruning_looks_at_several_tags_and_kits_at_a_time(faults: FaultProxy, tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", faults.address)
    project.channels(dev={}, prod={"from": "dev", "retention": {"keep": 1}})
    for number in range(2):
        project.pack(f"1.{number}", "dev")
        project.promote("dev", "prod")
    for number in range(KITS):
        project.pack(f"2.{number}")
    faults.seen.clear()
    faults.every = delay(0.1)
    with client(registries=Registries(others=QUICK)) as user:
        found = user.prune(policy=project.policy)
    faults.every = None
    assert len(found) == 1
    assert len(faults.seen) >= 3 * KITS
    assert in_a_row(faults.seen) <= len(faults.seen) / 2

"""What a promotion costs over a link: how many requests wait for each other, for each of them is a round trip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, Seen, delay, fault_proxy
from promotions import QUICK, new_project
from referrers_server import referrers_server
from request_chain import in_a_row

from kitops_core import Contents, Registries, Variant

LAYERS = 60
KITS = 20
pytestmark = pytest.mark.usefixtures("quiet_processor")


def test_what_waits_for_nothing_is_no_link_of_the_chain() -> None:
    def seen(begun: float, ended: float) -> Seen:
        return Seen("GET", "/v2/", None, begun=begun, ended=ended)  # type: ignore[arg-type]

    assert in_a_row([]) == 0
    assert in_a_row([seen(0, 1), seen(1, 2), seen(3, 4)]) == 3
    assert in_a_row([seen(0, 9), seen(1, 2), seen(1, 3), seen(3, 4)]) == 2
    assert in_a_row([seen(0, float("inf")), seen(0, 1)]) == 1


@pytest.mark.parametrize(("target", "most"), [("", 17), ("-released", 30)], ids=["same repository", "another"])
def test_the_layers_of_a_kit_are_not_promoted_one_after_the_other(
    faults: FaultProxy, tmp_path: Path, target: str, most: int
) -> None:
    """On a quiet machine 15 in a row within a repository, and 16 of 84 into another; a busy one starts threads late."""
    project = new_project(tmp_path / "project", faults.address)
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}{target}"})
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    entries = "".join(f"- {{name: d{index}, path: d{index}.csv}}\n" for index in range(LAYERS))
    (bundle / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: many}}\ndatasets:\n{entries}")
    for index in range(LAYERS):
        (bundle / f"d{index}.csv").write_bytes(os.urandom(500))
    with client(registries=Registries(others=QUICK)) as packing:
        packing.pack(bundle, f"{project.kit}:dev", push=True)
    faults.seen.clear()
    faults.every = delay(0.1)
    project.promote("dev", "prod")
    faults.every = None
    assert len(faults.seen) >= (LAYERS if target else 10)
    assert 5 < in_a_row(faults.seen) <= most


@pytest.mark.parametrize(("target", "most"), [("", 13), ("-released", 15)], ids=["same repository", "another"])
def test_what_a_channel_has_and_what_it_is_to_have_are_read_at_once(tmp_path: Path, target: str, most: int) -> None:
    """By the referrers API 11 in a row within a repository and 12 of 20 into another, where the channel has a kit."""
    with referrers_server() as registry, fault_proxy(registry.address) as faults:
        project = new_project(tmp_path / "project", faults.address)
        project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}{target}:prod"})
        project.pack("1.0", "dev")
        project.promote("dev", "prod")
        project.pack("1.1", "dev")
        faults.seen.clear()
        faults.every = delay(0.06)
        promotion = project.promote("dev", "prod")
        faults.every = None
    assert promotion.changed
    assert promotion.previous_digest
    assert 5 < in_a_row(faults.seen) <= most


@pytest.mark.parametrize(("target", "most"), [("", 10), ("-released", 18)], ids=["same repository", "another"])
def test_the_kits_of_an_index_are_not_promoted_one_after_the_other(
    faults: FaultProxy, tmp_path: Path, target: str, most: int
) -> None:
    """On a quiet machine 7 in a row of 18 within a repository, and 11 of 130 into another, before the tag is written.

    What follows is done while the tag is watched, which takes longer.
    """
    project = new_project(tmp_path / "project", faults.address)
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}{target}"})
    shared = [tmp_path / f"shared-{number}.bin" for number in range(9)]
    for path in shared:
        path.write_bytes(os.urandom(500))
    with client(registries=Registries(others=QUICK)) as packing:
        for number in range(KITS):
            (tmp_path / f"{number}.gguf").write_bytes(os.urandom(500))
            contents = Contents(model=tmp_path / f"{number}.gguf", docs=shared, name="llm")
            packing.pack(contents, f"{project.kit}:v{number}", push=True)
        kits = [Variant(f"{project.kit}:v{number}", {"number": number}) for number in range(KITS)]
        packing.index_kits(f"{project.kit}:dev", kits, push=True)
    faults.seen.clear()
    faults.every = delay(0.1)
    project.promote("dev", "prod")
    faults.every = None
    (moved,) = [seen.begun for seen in faults.seen if seen.method == "PUT" and seen.path.endswith("/prod")]
    assert 5 < in_a_row(seen for seen in faults.seen if seen.begun < moved) <= most
    own_tags = [seen.begun for seen in faults.seen if seen.method == "PUT" and "/sha256-" in seen.path]
    assert min(own_tags) < moved < max(own_tags)  # the record before, the list of it that other tools read after
    read = [seen.path for seen in faults.seen if seen.method == "GET" and "/manifests/sha256:" in seen.path]
    assert len(read) == len(set(read)) == (KITS if target else 0)  # else their own tags tell
    assert not [seen.path for seen in faults.seen if seen.method == "HEAD" and "/manifests/sha256:" in seen.path]
    asked = [seen.path for seen in faults.seen if "mount=" in seen.path]
    own = 2 * KITS if target else 0  # the config and the weights of each
    assert len({path.partition("&")[0] for path in asked}) == len(asked) == own + (len(shared) if target else 0)


def test_what_is_attached_to_the_kits_of_an_index_is_not_copied_one_after_the_other(
    faults: FaultProxy, tmp_path: Path
) -> None:
    """On a quiet machine 25 in a row of 165 before the tag is written; one list after the other would be 40 alone."""
    project = new_project(tmp_path / "project", faults.address)
    gates = [{"metric": {"name": "accuracy", "min": 0.5}}]
    project.channels(dev={}, prod={"from": "dev", "target": f"{project.kit}-released", "gates": gates})
    kits = []
    with client(registries=Registries(others=QUICK)) as packing:
        for number in range(10):
            (tmp_path / f"{number}.gguf").write_bytes(os.urandom(500))
            name = f"{project.kit}:v{number}"
            packing.pack(Contents(model=tmp_path / f"{number}.gguf", name="llm"), name, push=True)
            packing.attest_metrics(name, {"accuracy": 0.9})
            kits.append(Variant(name, {"number": number}))
        packing.index_kits(f"{project.kit}:dev", kits, push=True)
    faults.seen.clear()
    faults.every = delay(0.05)
    project.promote("dev", "prod")
    faults.every = None
    (moved,) = [seen.begun for seen in faults.seen if seen.method == "PUT" and seen.path.endswith("/prod")]
    assert in_a_row(seen for seen in faults.seen if seen.begun < moved) <= 38
    lists = [seen.path for seen in faults.seen if seen.method == "GET" and "/sha256-" in seen.path]
    assert max(map(lists.count, lists)) <= 3  # in the source once, for the gates and for the copy; where it goes twice

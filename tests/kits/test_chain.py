"""Kits that are made from kits by name: what a pull brings along, and what a pack refuses."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from clients import client
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import InvalidInputError, NotFoundError


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/chains/{uuid.uuid4().hex[:12]}"


def pack(root: Path, model: str, reference: str, *, push: bool = False, more: str = "") -> kitops.ModelKitRecord:
    """A kit whose model is another kit, or a file."""
    write_files(root, {"m.bin": "weights", "a.py": "a"})
    kitfile = kitops.Kitfile.parse(f"package: {{name: k}}\nmodel: {{path: '{model}'}}\ncode: [{{path: a.py}}]\n{more}")
    return kitops.pack(root, reference, kitfile=kitfile, push=push)


def local(store: Path) -> dict[str, str]:
    return {record.reference: record.digest for record in client(store=store).list_kits()}


def test_a_pull_brings_the_kits_it_is_made_from_under_their_own_names(tmp_path: Path, name: str) -> None:
    base = pack(tmp_path, "m.bin", f"{name}/base:1", push=True)
    middle = pack(tmp_path, f"{name}/base:1", f"{name}/middle:2", push=True)
    top = pack(tmp_path, f"{name}/middle@{middle.digest}", f"{name}/top:3", push=True)
    store = tmp_path / "store"
    client(store=store).pull(f"{name}/top:3")
    assert local(store) == {f"{name}/base:1": base.digest, f"{name}/top:3": top.digest}
    assert client(store=store).resolve(f"{name}/middle@{middle.digest}", where="store") == middle.digest
    offline = client(store=store)
    offline.unpack(f"{name}/top:3", tmp_path / "out", where="store")
    assert (tmp_path / "out" / "m.bin").read_text() == "weights"


def test_a_pull_without_a_parent_fails_before_it_brings_the_child(tmp_path: Path, name: str) -> None:
    pack(tmp_path, f"{name}/gone:1", f"{name}/top:1", push=True)
    store = tmp_path / "store"
    with pytest.raises(NotFoundError, match=f"is made from the kit '{name}/gone:1'"):
        client(store=store).pull(f"{name}/top:1")
    assert local(store) == {}


def test_a_pull_says_of_a_parent_that_only_the_packing_machine_had(tmp_path: Path, name: str) -> None:
    top = pack(tmp_path, "my-base:1", f"{name}/top:1", push=True)
    told: list[str] = []
    puller = client(store=tmp_path / "store", on_event=lambda event: told.append(event.detail))
    assert puller.pull(f"{name}/top:1").digest == top.digest
    assert any("which names no registry to fetch it from" in detail for detail in told)


def test_a_pull_brings_kits_that_hold_datasets(tmp_path: Path, name: str) -> None:
    data = pack(tmp_path, "m.bin", f"{name}/data:1", push=True)
    more = f"datasets: [{{name: d, path: d, remotePath: '{name}/data:1'}}]\n"
    pack(tmp_path, "m.bin", f"{name}/top:1", push=True, more=more)
    client(store=tmp_path / "store").pull(f"{name}/top:1")
    assert local(tmp_path / "store")[f"{name}/data:1"] == data.digest


@pytest.mark.parametrize("push", [False, True])
def test_a_kit_is_not_packed_of_itself(tmp_path: Path, name: str, push: bool) -> None:
    with pytest.raises(InvalidInputError, match=f"lead in a circle: {name}:1 -> {name}:1"):
        pack(tmp_path, f"{name}:1", f"{name}:1", push=push)
    pack(tmp_path, f"{name}:b", f"{name}:a", push=push)
    with pytest.raises(InvalidInputError, match=f"circle: {name}:b -> {name}:a -> {name}:b"):
        pack(tmp_path, f"{name}:a", f"{name}:b", push=push)


def test_a_chain_is_as_long_as_unpacking_follows(tmp_path: Path) -> None:
    pack(tmp_path, "m.bin", "chain:0")
    for number in range(1, 11):
        pack(tmp_path, f"chain:{number - 1}", f"chain:{number}")
    kitops.unpack("chain:10", tmp_path / "out")
    with pytest.raises(InvalidInputError, match="leads through more than 10 kits"):
        pack(tmp_path, "chain:10", "chain:11")

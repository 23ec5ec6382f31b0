"""Indexes of the variants that mapped tasks packed, in real flow runs and a real registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from conftest import write_bundle
from prefect import flow
from runs import events_of, repository
from variants import LABELS

import kitops_core as kitops
from prefect_kitops import ModelKitRef, aindex_modelkits, apack_modelkit, index_modelkits, pack_modelkit

pytestmark = pytest.mark.usefixtures("prefect_server")
SUCCEEDED = "prefect.asset.materialization.succeeded"


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """A directory for each variant, to be packed."""
    return [str(write_bundle(tmp_path / one, one.encode())) for one in LABELS]


@flow
def quantize(sources: list[str], name: str) -> tuple[list[ModelKitRef], ModelKitRef]:
    kits = pack_modelkit.map(sources, [f"{name}:{one}" for one in LABELS], card=False)
    index = index_modelkits(f"{name}:all", list(zip(kits, LABELS.values(), strict=True)))
    return kits.result(), index


def test_mapped_tasks_pack_variants_and_one_makes_the_index_with_its_event(registry: str, sources: list[str]) -> None:
    name = repository(registry)
    kits, index = quantize(sources, name)
    variants = kitops.index(f"{name}:all", where="registry").variants or ()
    assert {one.tag: (one.digest, one.labels) for one in variants} == {
        kit.tag: (kit.digest, LABELS[kit.tag]) for kit in kits
    }
    assert (index.reference, index.changed) == (f"{name}:all@{index.digest}", True)

    every = events_of(index.asset_key, wait_for=SUCCEEDED, count=4)
    told = [event["payload"] for event in every if event["event"] == SUCCEEDED]
    (extra,) = [payload for payload in told if payload["digest"] == index.digest]
    assert {one["tag"]: one["labels"] for one in extra["variants"]} == LABELS
    (pushed,) = [e for e in every if e["event"] == "kitops.modelkit.pushed" and "variants" in e["payload"]]
    assert pushed["resource"]["kitops.tag"] == "all"


def test_of_what_did_not_change_nothing_is_sent(registry: str, sources: list[str]) -> None:
    name = repository(registry)
    before, first = quantize(sources, name)
    again, same = quantize(sources, name)
    assert (same.digest, same.changed) == (first.digest, False)
    assert [kit.changed for kit in again] == [False] * 3

    (Path(sources[0]) / "model.bin").write_bytes(b"retrained")
    after, other = quantize(sources, name)
    assert (other.changed, other.previous_digest) == (True, first.digest)
    assert [kit.digest == had.digest for kit, had in zip(after, before, strict=True)] == [False, True, True]


def test_it_is_awaited_beside_an_event_loop(registry: str, sources: list[str]) -> None:
    name = repository(registry)

    @flow
    async def aquantize() -> ModelKitRef:
        kits = [await apack_modelkit(sources[0], f"{name}:q4_0", card=False)]
        return await aindex_modelkits(f"{name}:all", [(kits[0], {"gpu": ["a100", "h100"]})])

    asyncio.run(aquantize())
    (variant,) = kitops.index(f"{name}:all", where="registry").variants or ()
    assert (variant.tag, variant.labels) == ("q4_0", {"gpu": ["a100", "h100"]})


def test_a_kit_of_another_repository_fails_the_task(registry: str, sources: list[str]) -> None:
    @flow
    def mixed() -> None:
        kit = pack_modelkit(sources[0], f"{repository(registry)}:q4_0", card=False)
        index_modelkits(f"{repository(registry)}:all", [(kit, {})])

    with pytest.raises(kitops.InvalidInputError, match="is not in"):
        mixed()

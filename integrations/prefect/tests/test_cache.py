"""The opt-in cache policy: a hit only for the same task, contents and place, and only while the registry has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_bundle
from prefect import flow
from runs import repository

import kitops_core as kitops
from prefect_kitops import ModelKitContent, ModelKitRef, OCIRegistry, pack_modelkit

pytestmark = pytest.mark.usefixtures("prefect_server")
cached = pack_modelkit.with_options(cache_policy=ModelKitContent(), persist_result=True)
other = pack_modelkit.with_options(cache_policy=ModelKitContent(), persist_result=True, name="other")


def test_everything_that_decides_a_hit(registry: str, tmp_path: Path) -> None:
    name = repository(registry)
    source = write_bundle(tmp_path / "a", b"first")
    seen: dict[str, str] = {}

    @flow
    def run() -> None:
        def state(case: str, task=cached, source: object = source, reference: str = f"{name}:dev", **options: object):
            final = task(source, reference, card=False, return_state=True, **options)
            seen[case] = final.name
            return final.result()

        first: ModelKitRef = state("first time")
        assert state("same again").digest == first.digest
        state("written again with the same bytes", source=write_bundle(tmp_path / "a", b"first"))
        state("another user", registry=OCIRegistry(host="registry.example.com", username="ci", password="s3cret"))
        state("another tag", reference=f"{name}:prod")
        state("another compression", how=kitops.Packing(compression="gzip"))
        state("back again")
        state("contents by name", source=kitops.Contents(model=source / "model.bin"))
        write_bundle(tmp_path / "a", b"edited")
        edited = state("an edited file")
        assert edited.digest != first.digest
        write_bundle(tmp_path / "a", b"first")
        assert state("tag moved on").digest == first.digest
        kitops.remove(f"{name}@{first.digest}", where="registry")
        state("removed from the registry", reference=f"{name}:prod")
        with kitops.open(f"{name}:prod", where="registry") as there:
            assert there.digest == first.digest
        state("another task", task=other)

    run()
    assert {case for case, name in seen.items() if name == "Cached"} == {
        "same again",
        "written again with the same bytes",
        "another user",
    }, seen

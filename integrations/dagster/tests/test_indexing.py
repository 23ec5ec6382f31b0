"""The index of an asset's partitions as an asset: its version, what it names, and its promotion."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import data_version, materialization, metadata, run
from variants import LABELS

import kitops_core
from dagster_kitops import KitOpsResource, ModelKitContents, modelkit_index_asset, promotion_asset
from kitops_core import InvalidInputError

weights = {one: one.encode() for one in LABELS}


@pytest.fixture(params=["registry", "local store"])
def kitops(request: pytest.FixtureRequest) -> KitOpsResource:
    """A registry's namespace of this test's own, or the local store."""
    if request.param == "local store":
        return KitOpsResource()
    return KitOpsResource(registry=f"{request.getfixturevalue('registry')}/{uuid.uuid4().hex[:10]}")


@dg.asset(io_manager_key="modelkit", partitions_def=dg.StaticPartitionsDefinition(list(LABELS)))
def llm(context):
    return ModelKitContents(model=weights[context.partition_key])


llm_all = modelkit_index_asset(llm, LABELS)


def pack(instance: dg.DagsterInstance, kitops: KitOpsResource, *partitions: str) -> None:
    for one in partitions:
        assert run([llm], instance, kitops=kitops, partition=one).success


def index(instance: dg.DagsterInstance, kitops: KitOpsResource, asset: Any = llm_all) -> dict[str, Any]:
    """Materialize the index alone; what Dagster shows of it."""
    assert run([llm, asset], instance, kitops=kitops, selection=[asset], more={"kitops": kitops}).success
    return metadata(instance, *asset.key.path)


def test_its_version_is_the_digest_and_its_inputs_are_the_variants(
    kitops: KitOpsResource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(instance, kitops, *LABELS)
    shown = index(instance, kitops)
    reference = kitops.reference("llm", tag="all")
    made = kitops_core.index(reference, where="registry" if kitops.remote else "store")
    assert data_version(instance, "llm", "all") == shown["kitops/digest"] == made.digest
    assert {one.tag: one.labels for one in made.variants or ()} == LABELS
    digests = {one: kitops.resolve(kitops.reference("llm", tag=one)) for one in LABELS}
    table: Any = materialization(instance, "llm", "all").metadata["kitops/variants"]
    assert {row.data["tag"]: row.data["digest"] for row in table.records} == digests
    assert llm_all.asset_deps[llm_all.key] == {llm.key}

    pack(instance, kitops, *LABELS)  # nothing changed
    assert metadata(instance, "llm")["kitops/sent_bytes"] == 0
    again = index(instance, kitops)
    assert (again["kitops/digest"], again["kitops/changed"]) == (made.digest, False)

    monkeypatch.setitem(weights, "q4_0", b"retrained")
    pack(instance, kitops, "q4_0")
    index(instance, kitops)
    after = kitops_core.index(reference, where="registry" if kitops.remote else "store")
    changed = [one.tag for one in after.variants or () if digests[one.tag] != one.digest]
    assert (changed, data_version(instance, "llm", "all")) == (["q4_0"], after.digest)


def test_it_is_the_candidate_of_a_promotion(registry: str, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    kitops = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:10]}")
    pack(instance, kitops, *LABELS)
    shown = index(instance, kitops)
    (tmp_path / "promotion.yaml").write_text(f"kit: {kitops.registry}/llm\nchannels: {{prod: {{}}}}\n")
    prod = promotion_asset(llm_all, "prod", policy=tmp_path / "promotion.yaml")
    more = {"kitops": kitops}
    assert run([llm, llm_all, prod], instance, kitops=kitops, selection=[prod], more=more).success
    with kitops_core.open(kitops.reference("llm", tag="prod") + "?quantization=q8_0", where="registry") as kit:
        assert kit.digest == kitops.resolve(kitops.reference("llm", tag="q8_0"))
    assert data_version(instance, "llm", "all", "prod") == shown["kitops/digest"]


@pytest.mark.parametrize("kitops", ["local store"], indirect=True)
def test_partitions_and_labels_that_do_not_pair_are_named(kitops: KitOpsResource, instance: dg.DagsterInstance) -> None:
    pack(instance, kitops, *LABELS)
    uneven = modelkit_index_asset(llm, {"q4_0": {}, "q8_0": {}, "q2": {}}, tag="uneven")
    with pytest.raises(InvalidInputError, match="'f16' has no labels, 'q2' has labels, and no kit"):
        index(instance, kitops, uneven)
    taken = modelkit_index_asset(llm, LABELS, tag="f16")
    with pytest.raises(InvalidInputError, match="'f16' is the tag of a partition"):
        index(instance, kitops, taken)

"""The kits of mapped ops become the index of an asset."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import pytest
from runs import data_version, materialization, metadata, run
from variants import LABELS

import kitops_core
from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitRef, ModelKitVariants, promotion_asset
from kitops_core import InvalidInputError

weights = {one: one.encode() for one in LABELS}


@dg.op(out=dg.DynamicOut())
def quantizations():
    for one in LABELS:
        yield dg.DynamicOutput(one, mapping_key=one)


@dg.op(out=dg.Out(io_manager_key="modelkit"))
def quantized(one: str) -> ModelKitContents:
    return ModelKitContents(model=weights[one], metrics={"accuracy": 0.9})


@dg.op(out=dg.Out(io_manager_key="modelkit"))
def indexed(kits: list[ModelKitRef]) -> ModelKitVariants:
    return ModelKitVariants(kits, LABELS)


@dg.graph_asset
def llm():
    return indexed(quantizations().map(quantized).collect())


@pytest.fixture(params=["registry", "local store"])
def kitops(request: pytest.FixtureRequest) -> KitOpsResource:
    """A registry's namespace of this test's own, or the local store."""
    if request.param == "local store":
        return KitOpsResource()
    return KitOpsResource(registry=f"{request.getfixturevalue('registry')}/{uuid.uuid4().hex[:10]}")


def test_the_version_is_the_indexs_digest_and_stays_while_no_variant_changes(
    kitops: KitOpsResource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([llm], instance, kitops=kitops, tags=["latest", "all"]).success
    shown = metadata(instance, "llm")
    made = kitops_core.index(kitops.reference("llm", tag="all"), where="registry" if kitops.remote else "store")
    assert data_version(instance, "llm") == shown["kitops/digest"] == made.digest
    assert {one.tag: one.labels for one in made.variants or ()} == LABELS
    digests = {one: kitops.resolve(kitops.reference("llm", tag=one)) for one in LABELS}
    rows = materialization(instance, "llm").metadata["kitops/variants"].records
    assert {row.data["tag"]: row.data["digest"] for row in rows} == digests
    assert (shown["kitops/tags"], shown["kitops/changed"]) == (["latest", "all"], True)

    run([llm], instance, kitops=kitops)
    assert (data_version(instance, "llm"), metadata(instance, "llm")["kitops/changed"]) == (made.digest, False)

    monkeypatch.setitem(weights, "q4_0", b"retrained")
    run([llm], instance, kitops=kitops)
    assert data_version(instance, "llm") != made.digest
    after = {one: kitops.resolve(kitops.reference("llm", tag=one)) for one in LABELS}
    assert [one for one in LABELS if after[one] != digests[one]] == ["q4_0"]


def test_it_is_promoted_with_what_was_measured_of_each(
    registry: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    kitops = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:10]}")
    (tmp_path / "promotion.yaml").write_text(
        f"kit: {kitops.registry}/llm\nchannels:\n  prod:\n    gates:\n      - metric: {{name: accuracy, min: 0.8}}\n"
    )
    prod = promotion_asset(llm, "prod", policy=tmp_path / "promotion.yaml")
    assert run([llm, prod], instance, kitops=kitops, more={"kitops": kitops}).success
    assert data_version(instance, "llm", "prod") == data_version(instance, "llm")


@pytest.mark.parametrize(
    ("tags", "labels", "message"),
    [
        (["a", "b"], {"a": {}}, "'b' has no labels"),
        (["a"], {"a": {}, "b": {}}, "'b' has labels, and no kit"),
        (["latest"], {"latest": {}}, "has the tag 'latest', which the index has"),
        (["a", "a"], {"a": {}}, "has the tag 'a', which another has"),
        ([""], {"a": {}}, "has no tag"),
    ],
    ids=["no labels", "no kit", "the index's tag", "one tag twice", "no tag"],
)
def test_kits_and_labels_that_do_not_pair_are_named(
    tags: list[str], labels: dict[str, dict[str, str]], message: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(b"w")
    for name in ("x", "y"):
        kitops_core.pack(kitops_core.Contents(model=tmp_path / "w.bin"), f"{name}:a")

    @dg.asset(io_manager_key="modelkit")
    def variants():
        digest = kitops_core.resolve("x:a")
        refs = [f"{name}:{tag}@{digest}" if tag else f"{name}@{digest}" for name, tag in zip("xy", tags, strict=False)]
        return ModelKitVariants([ModelKitRef(ref) for ref in refs], labels)

    with pytest.raises(InvalidInputError, match=message):
        run([variants], instance)


def test_kits_that_are_beside_the_index_already_are_not_copied(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"w")
    packed = kitops_core.pack(kitops_core.Contents(model=tmp_path / "w.bin"), "variants:a")

    @dg.asset(io_manager_key="modelkit")
    def variants():
        return ModelKitVariants([ModelKitRef("variants:a")], {"a": {"vram": "6GB"}})

    run([variants], instance)
    with kitops_core.open("variants:latest?vram<=8GB") as kit:
        assert kit.digest == packed.digest

"""An input is a kit's handle or its files: the very digest that Dagster records as the run's input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import data_version, materialization, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager
from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.orchestrate.unpacked import unpacked


class Upstream:
    """An asset ``churn`` whose weights can be changed between runs."""

    def __init__(self, directory: Path) -> None:
        self.weights = b"first"
        self.path = directory / "model.bin"

        @dg.asset(io_manager_key="modelkit")
        def churn():
            self.path.write_bytes(self.weights)
            return ModelKitContents(model=self.path, docs={"README.md": b"# Churn\n"}, parameters={"max_depth": 8})

        self.asset = churn

    def repacked(self, weights: bytes, reference: str = "churn:latest") -> str:
        """Move the tag from outside Dagster."""
        self.path.write_bytes(weights)
        return kitops.pack(kitops.Contents(model=self.path), reference).digest


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path)


def test_a_handle_reads_what_is_asked_for(instance: dg.DagsterInstance, upstream: Upstream, tmp_path: Path) -> None:
    @dg.asset
    def card(churn: ModelKit) -> str:
        assert churn.kitfile.model is not None
        assert churn.kitfile.model.parameters == {"max_depth": 8}
        assert churn.read("model.bin") == b"first"
        churn.unpack(tmp_path / "out", only=["docs"])
        assert churn.reference == f"churn@{churn.digest}"
        return churn.read_text("README.md")

    result = run([upstream.asset, card], instance)
    assert result.output_for_node("card") == "# Churn\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["README.md"]


def test_an_input_without_an_annotation_is_a_handle(instance: dg.DagsterInstance, upstream: Upstream) -> None:
    @dg.asset
    def use(churn):
        return type(churn)

    assert run([upstream.asset, use], instance).output_for_node("use") is ModelKit


def test_a_handle_reads_nothing_before_it_is_used() -> None:
    kit = ModelKit(KitOpsResource(registry="registry.invalid/ml"), "registry.invalid/ml/churn:latest")
    assert "churn:latest" in repr(kit)
    nowhere = ModelKit(KitOpsResource(), "nowhere:latest")
    with pytest.raises(NotFoundError, match="nowhere:latest"):
        nowhere.read("README.md")


def test_a_handle_of_a_tag_keeps_the_digest_it_was_first_used_with(upstream: Upstream) -> None:
    first = upstream.repacked(b"first")
    kit = ModelKit(KitOpsResource(), "churn:latest")
    assert kit.digest == first
    upstream.repacked(b"second")
    assert kit.read("model.bin") == b"first"


def test_the_recorded_digest_is_loaded_when_the_tag_was_moved_since(
    instance: dg.DagsterInstance, upstream: Upstream
) -> None:
    @dg.asset
    def use(churn: ModelKit) -> bytes:
        return churn.read("model.bin")

    run([upstream.asset], instance)
    moved = upstream.repacked(b"moved from outside")
    result = run([upstream.asset, use], instance, selection=[use])
    assert result.output_for_node("use") == b"first"
    tags = materialization(instance, "use").tags or {}
    assert tags["dagster/input_data_version/churn"] == data_version(instance, "churn") != moved


def test_the_recorded_digest_is_loaded_when_another_run_packs_in_between(
    instance: dg.DagsterInstance, upstream: Upstream
) -> None:
    class PacksMeanwhile(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: Any) -> None: ...

        def load_input(self, context: dg.InputContext) -> None:
            upstream.weights = b"second"
            run([upstream.asset], instance)

    @dg.asset(io_manager_key="meanwhile")
    def another() -> int:
        return 1

    @dg.asset(ins={"another": dg.AssetIn(), "churn": dg.AssetIn()})
    def use(another, churn: ModelKit) -> bytes:
        return churn.read("model.bin")

    assets = [another, upstream.asset, use]
    resources = {
        "modelkit": ModelKitIOManager(kitops=KitOpsResource()),
        "meanwhile": PacksMeanwhile(),
        "io_manager": dg.mem_io_manager,
    }
    dg.materialize([another, upstream.asset], instance=instance, resources=resources)
    first = data_version(instance, "churn")
    result = dg.materialize(assets, instance=instance, resources=resources, selection=[use])
    assert data_version(instance, "churn") != first
    assert result.output_for_node("use") == b"first"
    assert (materialization(instance, "use").tags or {})["dagster/input_data_version/churn"] == first


def test_a_data_version_of_the_assets_own_still_leads_to_its_kit(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        contents = ModelKitContents(docs={"README.md": b"# First\n"})
        return dg.Output(contents, data_version=dg.DataVersion("sha256:" + "0" * 64))

    @dg.asset
    def use(churn: ModelKit) -> bytes:
        return churn.read("README.md")

    run([churn], instance)
    (tmp_path / "other").write_bytes(b"")
    kitops.pack(kitops.Contents(docs=[tmp_path / "other"]), "churn:latest")
    assert run([churn, use], instance, selection=[use]).output_for_node("use") == b"# First\n"


def test_a_path_is_the_unpacked_kit(instance: dg.DagsterInstance, upstream: Upstream, home: Path) -> None:
    @dg.asset
    def use(churn: Path) -> Path:
        assert (churn / "model.bin").read_bytes() == upstream.weights
        return churn

    first = run([upstream.asset, use], instance).output_for_node("use")
    assert first.is_relative_to(home / "kits")
    again = run([upstream.asset, use], instance).output_for_node("use")
    assert again == first
    upstream.weights = b"second"
    assert run([upstream.asset, use], instance).output_for_node("use") != first
    assert (first / "model.bin").read_bytes() == b"first"


def test_a_cached_digest_needs_neither_store_nor_registry(
    instance: dg.DagsterInstance, upstream: Upstream, tmp_path: Path
) -> None:
    run([upstream.asset], instance)
    digest = data_version(instance, "churn")
    directory = unpacked(ModelKit(KitOpsResource(), f"churn@{digest}"), tmp_path / "cache")
    kitops.remove(f"churn@{digest}")
    assert unpacked(ModelKit(KitOpsResource(), f"churn@{digest}"), tmp_path / "cache") == directory


def test_many_that_unpack_the_same_digest_see_it_complete(upstream: Upstream, tmp_path: Path) -> None:
    digest = upstream.repacked(b"weights" * 100_000)

    def unpack(_: int) -> bytes:
        directory = unpacked(ModelKit(KitOpsResource(), f"churn@{digest}"), tmp_path / "cache")
        return (directory / "model.bin").read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(unpack, range(16))) == {b"weights" * 100_000}
    assert [path.name for path in (tmp_path / "cache").glob("[!.]*")] == [digest.replace(":", "-")]


def test_a_failed_unpack_leaves_nothing_in_the_cache(upstream: Upstream, tmp_path: Path, home: Path) -> None:
    digest = upstream.repacked(b"weights")
    (blob,) = (path for path in (home / "kits").rglob("*") if path.is_file() and b"weights" in path.read_bytes())
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"weights", b"altered"))
    with pytest.raises(kitops.IntegrityError):
        unpacked(ModelKit(KitOpsResource(), f"churn@{digest}"), tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".locks"]


def test_load_asset_value_gives_the_materialized_kit(instance: dg.DagsterInstance, upstream: Upstream) -> None:
    run([upstream.asset], instance)
    upstream.repacked(b"moved from outside")
    defs = dg.Definitions(assets=[upstream.asset], resources={"modelkit": ModelKitIOManager(kitops=KitOpsResource())})
    loaded = defs.load_asset_value("churn", python_type=ModelKit, instance=instance)
    assert loaded.read("model.bin") == b"first"


def test_an_annotation_that_the_kit_cannot_be_is_refused(instance: dg.DagsterInstance, upstream: Upstream) -> None:
    @dg.asset
    def use(churn: int) -> int:
        return churn

    with pytest.raises(InvalidInputError, match=r"input 'churn' \(churn\) is annotated as int: 'model.bin' of churn@"):
        run([upstream.asset, use], instance)


def test_a_dict_of_kits_of_an_asset_without_partitions_is_refused(
    instance: dg.DagsterInstance, upstream: Upstream
) -> None:
    @dg.asset
    def use(churn: dict[str, ModelKit]) -> int:
        return len(churn)

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="has no partitions: annotate it as ModelKit"):
        run([upstream.asset, use], instance)

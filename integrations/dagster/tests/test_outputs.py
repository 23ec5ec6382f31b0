"""What an asset returns becomes a kit; its digest is the asset's data version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from clients import client
from runs import data_version, materialization, metadata, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager
from kitops_core.errors import InvalidInputError, SourceError
from kitops_core.record import ModelKitRecord


def asset_returning(value: Any, **options: Any) -> dg.AssetsDefinition:
    @dg.asset(name="churn", io_manager_key="modelkit", **options)
    def churn():
        return value

    return churn


def contents(weights: bytes, directory: Path, **more: Any) -> ModelKitContents:
    directory.mkdir(exist_ok=True)
    (directory / "model.bin").write_bytes(weights)
    return ModelKitContents(model=directory / "model.bin", **more)


def test_contents_by_name_become_the_sections_of_a_kitfile(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('train')\n")
    given = contents(
        b"weights",
        tmp_path / "out",
        code=[tmp_path / "train.py"],
        datasets={"sample.csv": b"1,2\n"},
        docs={"README.md": b"# Churn\n"},
        parameters={"max_depth": 8},
        metrics={"accuracy": 0.94},
        version="1.0",
        license="Apache-2.0",
    )
    run([asset_returning(given)], instance)
    with kitops.open("churn:latest") as kit:
        assert (kit.kitfile.package.name, kit.kitfile.package.version) == ("churn", "1.0")
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.path == "model.bin"
        assert kit.kitfile.model.parameters == {"max_depth": 8, "metrics": {"accuracy": 0.94}}
        assert [entry.path for entry in kit.kitfile.code] == ["train.py"]
        assert [(entry.name, entry.path) for entry in kit.kitfile.datasets] == [("sample.csv", "sample.csv")]
        assert kit.read("README.md") == b"# Churn\n"
        assert kit.read("sample.csv") == b"1,2\n"


def test_the_kit_digest_is_the_data_version(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run([asset_returning(contents(b"weights", tmp_path / "out"))], instance)
    with kitops.open("churn:latest") as kit:
        assert data_version(instance, "churn") == kit.digest


def test_the_metadata_says_what_was_packed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    result = run([asset_returning(contents(b"weights", tmp_path / "out", metrics={"accuracy": 0.94}))], instance)
    found = metadata(instance, "churn")
    with kitops.open("churn:latest") as kit:
        assert found["kitops/digest"] == kit.digest
        assert found["kitops/size_bytes"] == kit.size
        assert kit.kitfile.to_yaml() in found["kitops/kitfile"]
    assert found["dagster/uri"] == f"oci://localhost/churn@{kit.digest}"
    assert found["kitops/reference"] == "churn:latest"
    assert found["kitops/tags"] == ["latest"]
    assert found["kitops/changed"] is True
    assert found["kitops/metric/accuracy"] == 0.94
    layers = materialization(instance, "churn").metadata["kitops/layers"]
    assert isinstance(layers, dg.TableMetadataValue)
    assert [layer.data["path"] for layer in layers.records] == ["model.bin", "README.md"]
    record = ModelKitRecord.from_dict(found["kitops/record"])
    assert record.digest == kit.digest
    assert (record.source.orchestrator, record.source.run, record.source.task) == ("dagster", result.run_id, "churn")


def test_packing_the_same_again_changes_nothing(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run([asset_returning(contents(b"weights", tmp_path / "one"))], instance)
    before = data_version(instance, "churn")
    run([asset_returning(contents(b"weights", tmp_path / "two"))], instance)
    assert data_version(instance, "churn") == before
    assert metadata(instance, "churn")["kitops/changed"] is False


def test_other_contents_give_another_data_version(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run([asset_returning(contents(b"weights", tmp_path / "out"))], instance)
    before = data_version(instance, "churn")
    run([asset_returning(contents(b"weights", tmp_path / "out", parameters={"max_depth": 9}))], instance)
    assert data_version(instance, "churn") != before
    assert metadata(instance, "churn")["kitops/record"]["previous_digest"] == before


def test_a_data_version_of_the_assets_own_wins(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    output = dg.Output(contents(b"weights", tmp_path / "out"), data_version=dg.DataVersion("mine"))
    run([asset_returning(output)], instance)
    assert data_version(instance, "churn") == "mine"


def test_a_directory_with_a_kitfile_is_packed_as_it_is(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "weights.onnx").write_bytes(b"weights")
    (bundle / "Kitfile").write_text("manifestVersion: 1.0.0\npackage:\n  name: by-hand\nmodel:\n  path: weights.onnx\n")
    run([asset_returning(bundle)], instance)
    with kitops.open("churn:latest") as kit:
        assert kit.kitfile.package.name == "by-hand"
        assert kit.read("weights.onnx") == b"weights"


def test_a_directory_without_a_kitfile_gets_one(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "weights.onnx").write_bytes(b"weights")
    run([asset_returning(bundle)], instance)
    with kitops.open("churn:latest") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.path == "weights.onnx"


def test_a_kit_with_a_model_and_no_documentation_gets_a_card(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    given = contents(b"weights", tmp_path / "out", metrics={"accuracy": 0.94}, parameters={"max_depth": 8})
    run([asset_returning(given)], instance)
    with kitops.open("churn:latest") as kit:
        card = kit.read("README.md").decode()
    assert card.startswith("# churn\n")
    assert "| accuracy | 0.94 |" in card
    assert "| max_depth | 8 |" in card


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "returned None"),
        ("out/model.onnx", "returned a str"),
        ({"model": Path("x")}, "returned a mapping of paths"),
        (object(), "no safe format for an object of type builtins.object"),
        ((1, 2), "no safe format for an object of type builtins.tuple"),
        (ModelKitContents(), "nothing to pack"),
        (ModelKitContents(docs={"README.md": b""}, metrics={"accuracy": 1.0}), "no"),
        (ModelKitContents(docs={"../README.md": b""}), "'../README.md' cannot be the path of a file in the kit"),
        (ModelKitContents(model=Path("m"), metrics={"accuracy": "good"}), "metric 'accuracy' is 'good'"),
        (
            ModelKitContents(model=Path("m"), parameters={"f": {"g": object()}}),
            "parameters.f.g: object cannot be written as JSON",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_packed_is_refused_with_a_sentence(instance: dg.DagsterInstance, value: Any, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        run([asset_returning(value)], instance)
    assert says in caught.value.message


def test_a_single_file_is_refused_and_the_hint_reaches_the_log(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="one file"):
        run([asset_returning(tmp_path / "model.onnx")], instance)
    (failed,) = instance.get_runs()
    messages = [entry.user_message for entry in instance.all_logs(failed.run_id)]
    assert any("ModelKitContents(model=path)" in message for message in messages)


def test_a_missing_directory_is_named(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        run([asset_returning(tmp_path / "nowhere")], instance)


def test_the_whole_asset_key_is_the_repository(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    blue = asset_returning(contents(b"blue", tmp_path / "blue"), key_prefix=["blue", "ml"])
    green = asset_returning(contents(b"green", tmp_path / "green"), key_prefix=["green", "ml"])
    run([blue, green], instance)
    for color in ("blue", "green"):
        with kitops.open(f"{color}/ml/churn:latest") as kit:
            assert kit.read("model.bin") == color.encode()


def test_each_output_of_a_multi_asset_is_a_kit_of_its_own(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    @dg.multi_asset(outs={name: dg.AssetOut(io_manager_key="modelkit") for name in ("small", "large")})
    def models():
        yield dg.Output(contents(b"s", tmp_path / "small"), "small")
        yield dg.Output(contents(b"l", tmp_path / "large"), "large")

    run([models], instance)
    digests = set()
    for name in ("small", "large"):
        with kitops.open(f"{name}:latest") as kit:
            assert data_version(instance, name) == kit.digest
            digests.add(kit.digest)
    assert len(digests) == 2


def test_a_graph_asset_gets_its_digest_too(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    @dg.op(out=dg.Out(io_manager_key="modelkit"))
    def train():
        return contents(b"weights", tmp_path / "out")

    @dg.graph_asset
    def churn():
        return train()

    run([churn], instance)
    with kitops.open("churn:latest") as kit:
        assert data_version(instance, "churn") == kit.digest


def test_it_works_outside_a_run(tmp_path: Path) -> None:
    manager = ModelKitIOManager(kitops=KitOpsResource())
    manager.handle_output(
        dg.build_output_context(asset_key=dg.AssetKey("churn")), contents(b"weights", tmp_path / "out")
    )
    loaded = manager.load_input(dg.build_input_context(asset_key=dg.AssetKey("churn")))
    assert isinstance(loaded, ModelKit)
    assert loaded.read("model.bin") == b"weights"


def test_a_store_and_a_tag_of_ones_own(instance: dg.DagsterInstance, tmp_path: Path, home: Path) -> None:
    given = contents(b"weights", tmp_path / "out")
    run([asset_returning(given)], instance, kitops=KitOpsResource(store=str(tmp_path / "store")), tags=["nightly"])
    with client(store=tmp_path / "store").open("churn:nightly") as kit:
        assert data_version(instance, "churn") == kit.digest
    assert not (home / "kits").exists()


def test_a_kit_has_a_tag() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        ModelKitIOManager(kitops=KitOpsResource(), tags=[])

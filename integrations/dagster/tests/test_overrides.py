"""An asset's definition and a run say what the IO manager says otherwise; an input says which kit it wants."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from runs import data_version, metadata, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitRef
from kitops_core.errors import InvalidInputError, InvalidReferenceError


def asset_of(value: Any, **options: Any) -> dg.AssetsDefinition:
    @dg.asset(name="churn", io_manager_key="modelkit", **options)
    def churn():
        return value

    return churn


@dg.asset
def use(churn: ModelKit) -> bytes:
    return churn.read("model.bin")


def packed(weights: bytes, reference: str) -> str:
    """A kit that another tool packed; returns its digest."""
    path = Path("other") / "model.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(weights)
    return kitops.pack(kitops.Contents(model=path.absolute()), reference).digest


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_asset_names_its_repository_and_tags(instance: dg.DagsterInstance) -> None:
    churn = asset_of(b"w", metadata={"kitops/repository": "risk/churn", "kitops/tags": ["1.0", "dev"]})
    assert run([churn, use], instance).output_for_node("use") == b"w"
    for tag in ("1.0", "dev"):
        with kitops.open(f"risk/churn:{tag}") as kit:
            assert kit.digest == data_version(instance, "churn")
    assert metadata(instance, "churn")["kitops/tags"] == ["1.0", "dev"]
    assert [record.tag for record in kitops.list_kits("churn")] == []


def test_a_run_names_its_tags(instance: dg.DagsterInstance) -> None:
    churn = asset_of(dg.Output(b"w", metadata={"kitops/tags": "1.1, dev"}), metadata={"kitops/tags": "1.0"})
    assert run([churn, use], instance).output_for_node("use") == b"w"
    assert sorted(record.tag for record in kitops.list_kits("churn")) == ["1.1", "dev"]


def test_a_run_that_packs_elsewhere_is_found_again(instance: dg.DagsterInstance) -> None:
    churn = asset_of(dg.Output(b"w", metadata={"kitops/repository": "experiments/churn"}))
    run([churn], instance)
    assert run([churn, use], instance, selection=[use]).output_for_node("use") == b"w"


def test_metrics_of_a_run_go_into_the_kit_and_into_the_charts(instance: dg.DagsterInstance) -> None:
    run([asset_of(dg.Output(b"w", metadata={"kitops/metric/accuracy": 0.94}))], instance)
    assert metadata(instance, "churn")["kitops/metric/accuracy"] == 0.94
    with kitops.open("churn:latest") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.parameters == {"metrics": {"accuracy": 0.94}}


def test_the_io_managers_template_names_repositories(instance: dg.DagsterInstance) -> None:
    run([asset_of(b"w", key_prefix=["ml"])], instance, repository="kits/{asset_key}-model")
    assert kitops.list_kits("kits/ml/churn-model")


def test_a_template_of_the_last_part(instance: dg.DagsterInstance) -> None:
    run([asset_of(b"w", key_prefix=["ml"])], instance, repository="kits/{asset_name}", tags=["nightly"])
    assert [record.tag for record in kitops.list_kits("kits/churn")] == ["nightly"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kitops/tgas": "1.0"}, "'kitops/tgas' means nothing here"),
        ({"kitops/tags": 1}, "'kitops/tags' is neither"),
        ({"kitops/repository": ["a"]}, "'kitops/repository' is a list, not a text"),
    ],
)
def test_a_misspelt_option_is_named(given: dict[str, Any], says: str, instance: dg.DagsterInstance) -> None:
    with pytest.raises(InvalidInputError, match=says):
        run([asset_of(b"w", metadata=given)], instance)


def test_an_illegal_tag_is_named(instance: dg.DagsterInstance) -> None:
    with pytest.raises(InvalidReferenceError, match="'a b' is not a valid tag"):
        run([asset_of(b"w", metadata={"kitops/tags": ["a b"]})], instance)


@pytest.mark.parametrize("pin", ["digest", "tag"])
def test_an_input_is_pinned(pin: str, instance: dg.DagsterInstance) -> None:
    digest = packed(b"pinned", "churn:golden")
    value = digest if pin == "digest" else "golden"

    @dg.asset(ins={"churn": dg.AssetIn(metadata={f"kitops/{pin}": value})})
    def use(churn: ModelKit) -> bytes:
        assert churn.digest == digest
        return churn.read("model.bin")

    assert run([asset_of(b"w"), use], instance).output_for_node("use") == b"pinned"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kitops/digest": "1.0"}, "not a digest"),
        ({"kitops/digest": "sha256:" + "0" * 64, "kitops/tag": "1.0"}, "give one of them"),
    ],
)
def test_a_pin_that_cannot_be_is_refused(given: dict[str, str], says: str, instance: dg.DagsterInstance) -> None:
    @dg.asset(ins={"churn": dg.AssetIn(metadata=given)})
    def use(churn: ModelKit) -> None: ...

    with pytest.raises(InvalidInputError) as caught:
        run([asset_of(b"w"), use], instance)
    assert says in caught.value.message + caught.value.hint


def test_a_kit_that_is_there_already_is_recorded_and_not_packed(instance: dg.DagsterInstance) -> None:
    digest = packed(b"theirs", "theirs/churn:1.0")
    churn = asset_of(ModelKitRef("theirs/churn:1.0"))
    assert run([churn, use], instance).output_for_node("use") == b"theirs"
    assert data_version(instance, "churn") == digest
    assert metadata(instance, "churn")["kitops/reference"] == "theirs/churn:1.0"
    assert metadata(instance, "churn")["kitops/changed"] is True
    assert kitops.list_kits("churn") == []
    run([churn], instance)
    assert metadata(instance, "churn")["kitops/changed"] is False


def test_the_record_of_a_pack_is_a_reference(instance: dg.DagsterInstance) -> None:
    record = kitops.pack(kitops.Contents(model=_file(b"w")), "theirs:1.0")
    assert ModelKitRef.of(record).digest == record.digest
    assert run([asset_of(ModelKitRef.of(record)), use], instance).output_for_node("use") == b"w"


def test_the_handle_of_a_kit_in_the_local_store_is_pushed(instance: dg.DagsterInstance, registry: str) -> None:
    digest = kitops.pack(kitops.Contents(model=_file(b"trained")), "trained:1.0").digest
    ours = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    churn = asset_of(ModelKit(KitOpsResource(), "trained:1.0"), metadata={"kitops/tags": ["2.0", "dev"]})
    assert run([churn, use], instance, kitops=ours).output_for_node("use") == b"trained"
    assert data_version(instance, "churn") == digest
    assert {ours.resolve(ours.reference("churn", tag=tag)) for tag in ("2.0", "dev")} == {digest}
    assert [record.repository for record in kitops.list_kits()] == ["trained"]


def test_parents_are_the_kits_among_the_inputs_and_those_named(instance: dg.DagsterInstance) -> None:
    base = packed(b"base", "base:1.0")

    @dg.asset(io_manager_key="modelkit")
    def tuned(churn: ModelKit):
        return ModelKitContents(model=churn.read("model.bin") + b"!", parents=[f"base@{base}"])

    run([asset_of(b"w"), tuned], instance)
    parents = [f"churn@{data_version(instance, 'churn')}", f"base@{base}"]
    assert metadata(instance, "tuned")["kitops/parents"] == parents
    assert metadata(instance, "tuned")["kitops/record"]["parents"] == parents


def test_what_moved_since_the_kit_before_is_shown(instance: dg.DagsterInstance) -> None:
    run([asset_of(ModelKitContents(model=b"one", parameters={"depth": 6}, docs={"a.md": b""}))], instance)
    assert "kitops/changes" not in metadata(instance, "churn")
    run([asset_of(ModelKitContents(model=b"three", parameters={"depth": 8}, docs={"a.md": b""}))], instance)
    (event,) = instance.fetch_materializations(dg.AssetKey("churn"), limit=1).records
    assert event.asset_materialization is not None
    table = event.asset_materialization.metadata["kitops/changes"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [tuple(row.data[name] for name in ("what", "before", "after")) for row in table.records] == [
        ("model model.bin", "2048 bytes", "2048 bytes"),
        ("model.parameters.depth", "6", "8"),
    ]


def test_links_lead_to_the_registrys_pages_and_to_the_run(instance: dg.DagsterInstance) -> None:
    resource = KitOpsResource(
        browse_url="https://hub.example.com/{repository}/{digest}", webserver_url="https://dagster.example.com/"
    )
    result = run([asset_of(b"w", key_prefix="ml")], instance, kitops=resource)
    found = metadata(instance, "ml", "churn")
    digest = data_version(instance, "ml", "churn")
    assert found["kitops/url"] == f"https://hub.example.com/ml/churn/{digest}"
    assert found["kitops/unpack_command"] == f"kitops unpack ml/churn@{digest} --dir churn"
    assert found["kitops/record"]["source"]["url"] == f"https://dagster.example.com/runs/{result.run_id}"


def _file(data: bytes) -> Path:
    path = Path("model.bin").absolute()
    path.write_bytes(data)
    return path

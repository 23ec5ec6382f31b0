"""Assets and their events: one asset for one repository, and one reading of every event."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag

from kitops_airflow import (
    KitInspectOperator,
    KitPackPushOperator,
    KitPromoteOperator,
    ModelKitEvent,
    ModelKitTagSensor,
    modelkit_asset,
)
from kitops_airflow.assets import create_asset, is_modelkit
from kitops_airflow.uris import reference_of
from kitops_core.errors import InvalidInputError, InvalidReferenceError
from kitops_core.orchestrate.metadata import record_metadata
from kitops_core.record import LayerRecord, ModelKitRecord

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
RECORD = ModelKitRecord(
    digest=DIGEST,
    reference="registry.example.com/ml/churn:1.0",
    registry="registry.example.com",
    repository="ml/churn",
    tag="1.0",
    tags=("1.0", "dev"),
    size=7,
    kit={"name": "churn"},
    layers=(LayerRecord("model", "model.onnx", "application/x", DIGEST, DIGEST, 7),),
    changed=True,
    previous_digest=OTHER,
)


def test_a_repository_is_one_asset_however_its_host_is_written() -> None:
    churn = modelkit_asset("Registry.Example.com/ml/churn")
    assert churn.uri == "oci://registry.example.com/ml/churn"
    assert churn == modelkit_asset("registry.example.com/ml/churn")
    if AIRFLOW_V_3_0_PLUS:
        assert (churn.name, churn.group) == (churn.uri, "modelkit")


def test_a_channel_is_an_asset_of_its_own_and_leads_back_to_its_tag() -> None:
    prod = modelkit_asset("registry.example.com:5000/ml/churn", tag="prod")
    assert prod.uri == "oci://registry.example.com:5000/ml/churn?tag=prod"
    assert str(reference_of(prod)) == "registry.example.com:5000/ml/churn:prod"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("churn", "is not in a registry"),
        ("oci:/tmp/layout", "is not in a registry"),
        ("registry.example.com/ml/churn:prod", "an asset is a repository"),
        (f"registry.example.com/ml/churn@{DIGEST}", "an asset is a repository"),
    ],
)
def test_what_is_no_repository_is_no_asset(reference: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=message):
        modelkit_asset(reference)


@pytest.mark.parametrize("uri", ["oci://Registry.example.com/Image:v1", f"oci://r.example.com/image@{DIGEST}"])
def test_the_oci_assets_of_others_stay_as_they_are(uri: str) -> None:
    assert Asset(uri=uri).uri == uri
    if AIRFLOW_V_3_0_PLUS:
        assert not is_modelkit(Asset(uri=uri))
        with dag("others"), pytest.raises(ValueError, match="make it with modelkit_asset"):
            KitInspectOperator(task_id="look", asset=Asset(uri=uri))


@pytest.mark.parametrize("given", ["registry.example.com/ml/churn", AssetAlias("kits")], ids=["text", "alias"])
def test_what_is_no_asset_is_refused_when_the_dag_is_parsed(given: Any) -> None:
    refused = "is not the asset of a ModelKit: make it with modelkit_asset"
    with dag("no_asset"):
        with pytest.raises(ValueError, match=refused):
            KitInspectOperator(task_id="look", asset=given)
        with pytest.raises(ValueError, match=refused):
            ModelKitTagSensor(task_id="wait", asset=given)
        if isinstance(given, str):  # who packs may announce through an alias
            with pytest.raises(ValueError, match=refused):
                KitPackPushOperator(task_id="pack", source="out", asset=given)


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="watchers are Airflow 3's")
def test_how_an_asset_is_watched_is_in_its_uri_so_that_no_file_can_take_its_watcher_away() -> None:
    def watched(**how: Any) -> Asset:
        return modelkit_asset("r.example.com/ml/churn", tag="prod", watch=True, **how)

    plain = modelkit_asset("r.example.com/ml/churn", tag="prod")
    ways = [watched(), watched(poll_interval=5), watched(kitops_conn_id="eu"), watched(emit_initial=False)]
    assert len({asset.uri for asset in (plain, *ways)}) == 5
    for asset in ways:
        assert asset.name == asset.uri == Asset(uri=asset.uri).uri  # also after Airflow has put it in order
        assert str(reference_of(asset)) == "r.example.com/ml/churn:prod"
        (watcher,) = asset.watchers
        assert watcher.trigger.serialize()[1]["watched_asset"] == asset.name
    assert watched(poll_interval=5) == ways[1]
    with dag("watched_outlet"), pytest.raises(ValueError, match="its events come from the registry"):
        KitPackPushOperator(task_id="pack", reference="r.example.com/ml/churn:prod", outlets=[ways[0]])
    with dag("watched_outlet"), pytest.raises(ValueError, match="its events come from the registry"):
        KitPromoteOperator(task_id="promote", to="prod", outlets=[ways[0]])


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="names and groups are Airflow 3's")
@pytest.mark.parametrize("how", [{"name": "churn"}, {}, {"name": "churn", "group": "modelkit"}])
def test_one_uri_has_one_name_and_another_is_a_mistake_in_the_dag(how: dict[str, str]) -> None:
    by_hand = Asset(uri="oci://r.example.com/ml/churn", **how)
    others = Asset(name="image", uri="oci://r.example.com/image:v1")
    with dag("twins"):
        with pytest.raises(ValueError, match="is made by hand"):
            KitPackPushOperator(task_id="pack", reference="r.example.com/ml/churn:1", outlets=[by_hand])
        assert (
            others
            in KitPackPushOperator(task_id="both", reference="r.example.com/ml/churn:1", outlets=[others]).outlets
        )


def test_airflows_factory_makes_the_same_asset_with_the_digest_beside_it() -> None:
    made = create_asset(reference="registry.example.com/ml/churn", extra={"digest": DIGEST})
    assert made.uri == modelkit_asset("registry.example.com/ml/churn").uri
    assert made.extra == {"digest": DIGEST}
    assert is_modelkit(made)
    assert not is_modelkit(Asset("s3://bucket/key"))


def test_the_event_of_an_operator_is_read() -> None:
    event = ModelKitEvent.from_extra(record_metadata(RECORD))
    assert (event.digest, event.previous_digest, event.origin) == (DIGEST, OTHER, "task")
    assert event.reference == f"registry.example.com/ml/churn@{DIGEST}"
    assert event.record == RECORD


def test_the_event_of_a_watcher_is_read() -> None:
    event = ModelKitEvent.from_extra({"from_trigger": True, "payload": record_metadata(RECORD)})
    assert (event.digest, event.tag, event.origin) == (DIGEST, "1.0", "watcher")


def test_an_event_posted_over_rest_needs_a_digest_and_its_asset_says_where() -> None:
    asset = modelkit_asset("registry.example.com/ml/churn")
    event = ModelKitEvent.from_extra({"digest": DIGEST, "from_rest_api": True}, asset)
    assert (event.reference, event.origin) == (f"registry.example.com/ml/churn@{DIGEST}", "rest")
    assert event.record is None
    with pytest.raises(InvalidInputError, match="names no digest"):
        ModelKitEvent.from_extra({"from_rest_api": True}, asset)
    with pytest.raises(InvalidInputError, match="does not say where the kit is"):
        ModelKitEvent.from_extra({"digest": DIGEST})


class OneInlet:
    """A fake of Airflow's accessor: a dictionary has no place for an asset of 3.1, which has no hash."""

    def __init__(self, *events: Any) -> None:
        self.events = events

    def __getitem__(self, asset: Asset) -> Any:
        return self.events


@pytest.mark.parametrize(("partition", "digest"), [("eu", DIGEST), ("asia", OTHER), (None, OTHER)])
def test_in_the_run_of_a_partition_its_newest_kit_is_read_and_else_that_of_all(
    partition: str | None, digest: str
) -> None:
    asset = modelkit_asset("registry.example.com/ml/churn")
    inlet = OneInlet(
        SimpleNamespace(extra={"digest": DIGEST}, partition_key="eu"),
        SimpleNamespace(extra={"digest": OTHER}, partition_key="us"),
    )
    context = {"dag_run": SimpleNamespace(partition_key=partition), "inlet_events": inlet}
    found = ModelKitEvent.latest(context, asset)
    assert found is not None
    assert found.digest == digest


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 has datasets")
def test_an_asset_is_as_airflow_makes_it_and_loads_no_provider_for_that() -> None:
    for asset in (
        modelkit_asset("R.example.com:5000/ml/churn"),
        modelkit_asset("r.example.com/ml/churn", tag="a.b-c_d"),
    ):
        assert asset == Asset(name=asset.uri, uri=asset.uri, group="modelkit")
    watched = modelkit_asset("r.example.com/ml/churn", tag="prod", watch=True, poll_interval=5, emit_initial=False)
    assert Asset(watched.uri).uri == watched.uri
    code = (
        "import sys; from kitops_airflow import modelkit_asset; modelkit_asset('r.example.com/ml/churn', tag='prod');"
        "print([name for name in sys.modules if name.startswith(('airflow.providers.amazon.aws', 'boto3'))])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip().splitlines()[-1] == "[]"

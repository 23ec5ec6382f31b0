"""Models of the Hub as assets: the Hub's own client before a stand-in, and a real registry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import dagster as dg
import pytest
from hub_server import Fault, Hub, hub_server
from runs import data_version, metadata, run

from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, imported_modelkit
from kitops_core.errors import IntegrityError

pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
FILES = {"model.safetensors": b"w" * 5000, "config.json": b"{}"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        served.use(monkeypatch)
        yield served


@pytest.fixture(params=["registry", "local store"])
def kitops(request: pytest.FixtureRequest) -> KitOpsResource:
    """A registry's namespace of this test's own, or the local store."""
    if request.param == "local store":
        return KitOpsResource()
    return KitOpsResource(registry=f"{request.getfixturevalue('registry')}/{uuid.uuid4().hex[:10]}")


@dg.asset(io_manager_key="modelkit")
def tuned(smol: ModelKit) -> ModelKitContents:
    return ModelKitContents(model=smol.read("config.json") + b" tuned")


def test_a_model_is_imported_and_handed_on_and_stays_fresh(
    hub: Hub, kitops: KitOpsResource, instance: dg.DagsterInstance
) -> None:
    commit = hub.repo("acme/smol").commit(FILES)
    smol = imported_modelkit("smol", "acme/smol", tags=["main", "1.0"])
    assert run([smol, tuned], instance, kitops=kitops, more={"kitops": kitops}).success
    first = data_version(instance, "smol")
    shown = metadata(instance, "smol")
    assert shown["kitops/origin"] == f"hf://acme/smol@{commit}"
    assert shown["kitops/digest"] == first == kitops.resolve(kitops.reference("smol", tag="1.0"))
    assert shown["kitops/record"]["source"]["orchestrator"] == "dagster"
    with kitops.open(kitops.reference("tuned", tag="latest")) as kit:
        assert kit.read(kit.kitfile.model.path) == b"{} tuned"

    assert run([smol], instance, kitops=kitops, more={"kitops": kitops}).success
    assert data_version(instance, "smol") == first
    assert metadata(instance, "smol")["kitops/changed"] is False

    hub.repo("acme/smol").commit({**FILES, "config.json": b'{"new": 1}'})
    assert run([smol], instance, kitops=kitops, more={"kitops": kitops}).success
    assert data_version(instance, "smol") != first
    assert metadata(instance, "smol")["kitops/changes"]


def test_what_is_altered_fails(hub: Hub, kitops: KitOpsResource, instance: dg.DagsterInstance) -> None:
    hub.repo("acme/altered").commit({"model.safetensors": b"nobody has these yet" * 100})
    hub.faults.append(Fault("cdn/", times=99, alter=lambda piece: bytes(len(piece))))
    asset = imported_modelkit(["base", "altered"], "acme/altered", repository="altered")
    with pytest.raises(IntegrityError, match="was altered"):
        run([asset], instance, kitops=kitops, more={"kitops": kitops})

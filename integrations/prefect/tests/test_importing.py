"""Importing in real flow runs: the Hub's own client before a stand-in, and a real registry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hub_server import TOKEN, Fault, Hub, hub_server
from prefect import flow
from prefect.blocks.system import Secret
from runs import artifacts, events_of, repository

import kitops_core as kitops
from prefect_kitops import ModelKitRef, aimport_modelkit, import_modelkit

pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
pytestmark = pytest.mark.usefixtures("prefect_server")
FILES = {"model.safetensors": b"w" * 5000, "config.json": b"{}"}
SUCCEEDED = "prefect.asset.materialization.succeeded"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        served.use(monkeypatch)
        yield served


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_model_is_imported_as_an_asset_with_its_commit(hub: Hub, registry: str, asynchronous: bool) -> None:
    commit = hub.repo("acme/smol").commit(FILES)
    name = repository(registry)

    @flow
    def mirror() -> ModelKitRef:
        return import_modelkit("acme/smol", f"{name}:dev", tags=["1.0"], ref="main")

    @flow
    async def amirror() -> ModelKitRef:
        return await aimport_modelkit("acme/smol", f"{name}:dev", tags=["1.0"], ref="main")

    kit = asyncio.run(amirror()) if asynchronous else mirror()
    with kitops.open(f"{name}:1.0", where="registry") as stored:
        assert stored.digest == kit.digest
        assert stored.read("config.json") == b"{}"
    event = next(e for e in events_of(kit.asset_key, wait_for=SUCCEEDED) if e["event"] == SUCCEEDED)
    assert event["payload"]["origin"] == f"hf://acme/smol@{commit}"
    assert event["payload"]["source"]["pipeline"] == ("amirror" if asynchronous else "mirror")
    assert "hf://acme/smol" in [item["prefect.resource.id"] for item in event["related"]]
    assert artifacts()


def test_an_unchanged_model_sends_nothing(hub: Hub, registry: str) -> None:
    hub.repo("acme/smol").commit(FILES)
    name = repository(registry)

    @flow
    def mirror() -> ModelKitRef:
        return import_modelkit("acme/smol", f"{name}:dev", card=False)

    assert mirror().changed
    assert not mirror().changed


def test_a_secrets_token_opens_a_closed_repository(hub: Hub, registry: str) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = "gated"
    secret = Secret(value=TOKEN)

    @flow
    def mirror() -> ModelKitRef:
        return import_modelkit("acme/closed", f"{repository(registry)}:dev", token=secret.value, card=False)

    assert mirror().changed


def test_what_is_altered_fails(hub: Hub, registry: str) -> None:
    hub.repo("acme/altered").commit({"model.safetensors": b"nobody has these yet" * 100})
    hub.faults.append(Fault("cdn/", times=99, alter=lambda piece: bytes(len(piece))))

    @flow
    def mirror() -> ModelKitRef:
        return import_modelkit("acme/altered", f"{repository(registry)}:dev", card=False)

    with pytest.raises(kitops.IntegrityError, match="was altered"):
        mirror()

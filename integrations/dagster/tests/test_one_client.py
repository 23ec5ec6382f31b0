"""One client for all: what it signs, what counts, and whom credentials are for. Each was seen to hurt somebody once."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fault_proxy import FaultProxy
from registry_fixture import PASSWORD, USERNAME, Served
from runs import QUIET, metadata

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager, RegistryLogin, promotion_assets

GATES = """
    gates:
      - signed: {key: release.pub}
      - metric: {name: accuracy, min: 0.5}
"""


@dg.asset(io_manager_key="modelkit")
def churn() -> ModelKitContents:
    return ModelKitContents(model=b"weights", metrics={"accuracy": 0.51})


def materialize(assets: list[Any], resource: KitOpsResource, instance: dg.DagsterInstance, *keys: str) -> bool:
    """Materialize some of the assets; whether that went well."""
    return dg.materialize(
        assets,
        instance=instance,
        resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)},
        selection=[dg.AssetKey(key.split("/")) for key in keys],
        run_config=QUIET,
        raise_on_error=False,
    ).success


def policy_file(directory: Path, text: str) -> Path:
    (directory / "promotion.yaml").write_text(text)
    return directory / "promotion.yaml"


def two_channels(kit: str, target: str) -> str:
    """A policy whose channels are in two registries."""
    return f"kit: {kit}\nchannels: {{dev: {{}}, prod: {{from: dev, target: '{target}'}}}}\n"


def test_a_kit_packed_with_a_signer_passes_a_gate_and_only_figures_that_it_counts_are_shown(
    registry: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    private, public = kitops.generate_key_pair(b"")
    (tmp_path / "release.key").write_bytes(private)
    (tmp_path / "release.pub").write_bytes(public)
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}", signer=str(tmp_path / "release.key"))
    kit = resource.reference("churn")
    channels = f"trust: {{keys: [release.pub]}}\nchannels:\n  dev: {{}}\n  prod:\n    from: dev{GATES}"
    assets = [churn, *promotion_assets(churn, policy_file(tmp_path, f"kit: {kit}\n{channels}"))]
    assert materialize(assets, resource, instance, "churn", "churn/dev")
    kitops.attest_metrics(f"{kit}:dev", {"accuracy": 0.99})  # by anybody who may push
    assert materialize(assets, resource, instance, "churn/prod")

    shown = metadata(instance, "churn", "prod")
    assert "0.51" in str(shown["kitops/gates"])
    assert "0.99" not in str([shown["kitops/gates"], shown["kitops/promotion"]])
    assert materialize(assets, resource, instance, "churn")
    assert metadata(instance, "churn")["kitops/metric/accuracy"] == 0.51


def test_the_password_of_one_registry_is_not_told_to_another_that_asks_for_one(
    auth_registry: Served, faults: FaultProxy, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    told = faults.ask_for_password()
    first = f"{auth_registry.address}/{uuid.uuid4().hex[:8]}"
    policy = policy_file(tmp_path, two_channels(f"{first}/churn", f"{faults.address}/x/churn"))
    assets = [churn, *promotion_assets(churn, policy)]
    own = KitOpsResource(registry=first, username=USERNAME, password=PASSWORD)
    assert materialize(assets, own, instance, "churn", "churn/dev")
    assert not materialize(assets, own, instance, "churn/prod")
    assert set(told) == {""}


def test_one_promotion_goes_from_a_registry_with_a_login_to_an_open_one(
    auth_registry: Served, registry: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    login = {"username": USERNAME, "password": PASSWORD}
    first, second = f"{auth_registry.address}/{uuid.uuid4().hex[:8]}", f"{registry}/{uuid.uuid4().hex[:8]}/churn"
    policy = policy_file(tmp_path, two_channels(f"{first}/churn", second))
    assets = [churn, *promotion_assets(churn, policy)]
    own = KitOpsResource(registry=first, **login)
    assert materialize(assets, own, instance, "churn", "churn/dev", "churn/prod")
    assert kitops.resolve(f"{second}:prod", where="registry") == metadata(instance, "churn")["kitops/digest"]

    # The other way round the resource's registry is the open one, and the login is that of another.
    other = KitOpsResource(registry=registry, others=[RegistryLogin(host=auth_registry.address, **login)])
    assert materialize(assets, other, instance, "churn/prod")
    assert not materialize(assets, KitOpsResource(registry=registry), instance, "churn/prod")

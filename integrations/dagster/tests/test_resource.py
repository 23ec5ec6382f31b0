"""The resource names a registry or the local store, and keeps its secrets to itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from annotations import unreadable
from dagster_shared.libraries import DagsterLibraryRegistry

import dagster_kitops
import kitops_core
from dagster_kitops import KitOpsResource, ModelKit, ModelKitIOManager, RegistryLogin
from kitops_core.errors import InvalidInputError, InvalidReferenceError


def test_no_repr_shows_a_secret() -> None:
    resource = KitOpsResource(registry="registry.example.com/ml", username="ci", password="s3cret", token="t0ken")
    for shown in (repr(resource), str(resource), repr(ModelKitIOManager(kitops=resource))):
        assert "registry.example.com/ml" in shown
        assert "s3cret" not in shown
        assert "t0ken" not in shown
    assert "s3cret" not in repr(resource.registries)


def test_a_secret_is_read_from_the_environment_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")

    @dg.asset
    def use(kitops: KitOpsResource) -> bool:
        return kitops.registries.options("registry.example.com").password == "s3cret"

    resource = KitOpsResource(
        registry="registry.example.com/ml", username="ci", password=dg.EnvVar("REGISTRY_PASSWORD")
    )
    assert dg.materialize([use], resources={"kitops": resource}).output_for_node("use")
    assert "s3cret" not in repr(resource)


def test_a_handle_is_not_stored_because_it_knows_the_credentials(tmp_path: Path) -> None:
    resource = KitOpsResource(registry="registry.example.com/ml", username="ci", password="s3cret")

    @dg.asset
    def handle():
        return ModelKit(resource, "registry.example.com/ml/churn:1.0")

    manager = dg.FilesystemIOManager(base_dir=str(tmp_path / "stored"))
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(InvalidInputError, match="a handle is not stored") as caught:
            dg.materialize([handle], resources={"io_manager": manager}, instance=instance)
        assert "ModelKitRef" in caught.value.hint
    assert not any(b"s3cret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("registry", "reference"),
    [
        ("", "churn:1.0"),
        ("registry.example.com/ml", "registry.example.com/ml/churn:1.0"),
        ("registry.example.com/ml/", "registry.example.com/ml/churn:1.0"),
        ("localhost:5000", "localhost:5000/churn:1.0"),
    ],
)
def test_a_reference_is_below_the_registry(registry: str, reference: str) -> None:
    assert KitOpsResource(registry=registry).reference("churn", tag="1.0") == reference


def test_a_registry_without_a_host_is_refused() -> None:
    with pytest.raises(InvalidReferenceError, match="names no host"):
        KitOpsResource(registry="ml").reference("churn", tag="1.0")


def test_half_of_the_credentials_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="password is missing"):
        _ = KitOpsResource(registry="registry.example.com/ml", username="ci").registries


def test_credentials_go_to_the_registry_they_are_given_for_and_to_no_other() -> None:
    resource = KitOpsResource(
        registry="registry.example.com/ml",
        username="ci",
        password="s3cret",
        ca_file="ca.pem",
        timeout=7.0,
        others=[RegistryLogin(host="prod.example.com", token="t0ken", ca_file="prod.pem")],
    )
    own, prod, any_other = (
        resource.registries.options(f"{host}.example.com") for host in ("registry", "prod", "elsewhere")
    )
    assert (own.username, own.token, own.ca_file) == ("ci", "", Path("ca.pem"))
    assert (prod.username, prod.token, prod.ca_file) == ("", "t0ken", Path("prod.pem"))
    assert not any_other.has_credentials
    assert {own.timeout, prod.timeout, any_other.timeout} == {7.0}


def test_every_option_of_the_transport_can_be_set_by_name() -> None:
    options = {field.name for field in dataclasses.fields(kitops_core.RegistryOptions)}
    assert options - {"origin", "renew"} <= set(KitOpsResource.model_fields)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (KitOpsResource, {"ca_fil": "x"}),
        (RegistryLogin, {"host": "h", "user": "x"}),
        (ModelKitIOManager, {"signing_kye": "x"}),
    ],
)
def test_a_field_that_there_is_not_is_refused(kind: Any, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        kind(**given)


def test_dagster_knows_the_library() -> None:
    assert DagsterLibraryRegistry.get()["dagster-kitops"] == dagster_kitops.__version__


def test_the_annotations_of_what_users_call_can_be_read() -> None:
    assert unreadable(dagster_kitops) == []

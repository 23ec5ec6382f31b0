"""The resource names a registry or the local store, and keeps its secrets to itself."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.libraries import DagsterLibraryRegistry

import dagster_kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitIOManager
from kitops_core.errors import InvalidInputError, InvalidReferenceError


def test_no_repr_shows_a_secret() -> None:
    resource = KitOpsResource(registry="registry.example.com/ml", username="ci", password="s3cret", token="t0ken")
    for shown in (repr(resource), str(resource), repr(ModelKitIOManager(kitops=resource))):
        assert "registry.example.com/ml" in shown
        assert "s3cret" not in shown
        assert "t0ken" not in shown
    assert "s3cret" not in repr(resource.registry_options)


def test_a_secret_is_read_from_the_environment_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")

    @dg.asset
    def use(kitops: KitOpsResource) -> bool:
        assert kitops.registry_options is not None
        return kitops.registry_options.password == "s3cret"

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
        _ = KitOpsResource(registry="registry.example.com/ml", username="ci").registry_options


def test_credentials_go_to_the_resources_own_registry_only(tmp_path: Path) -> None:
    resource = KitOpsResource(registry="registry.example.com/ml", username="ci", password="s3cret")
    own = resource.registry_options
    assert resource.access("registry.example.com/other:1") == {"remote": True, "store": None, "registry": own}
    assert resource.access("elsewhere.example.com/kit:1") == {"remote": None, "store": None, "registry": None}
    assert resource.access("local:1")["registry"] is None
    policy = tmp_path / "promotion.yaml"
    policy.write_text("kit: registry.example.com/ml/churn\nchannels: {staging: {}}\n")
    assert resource.options_for_channels(policy) == own
    policy.write_text(
        "kit: registry.example.com/ml/churn\nchannels: {staging: {}, prod: "
        "{from: staging, target: prod.example.com/churn}}\n"
    )
    assert resource.options_for_channels(policy) is None


def test_dagster_knows_the_library() -> None:
    assert DagsterLibraryRegistry.get()["dagster-kitops"] == dagster_kitops.__version__

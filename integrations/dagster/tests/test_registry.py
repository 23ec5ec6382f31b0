"""Kits go straight to a registry and come back from it by digest."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import pytest
from registry_fixture import PASSWORD, USERNAME, Served
from runs import data_version, metadata, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents
from kitops_core.errors import DeniedError


@dg.asset(io_manager_key="modelkit")
def churn():
    return ModelKitContents(docs={"README.md": b"# Churn\n"})


@dg.asset
def card(churn: ModelKit) -> str:
    return churn.read_text("README.md")


@dg.asset
def files(churn: Path) -> list[str]:
    return sorted(path.name for path in churn.iterdir())


def test_an_asset_is_pushed_in_one_pass_and_loaded_from_the_registry(
    instance: dg.DagsterInstance, registry: str, home: Path
) -> None:
    namespace = f"{registry}/dagster-{uuid.uuid4().hex[:8]}"
    result = run([churn, card, files], instance, kitops=KitOpsResource(registry=namespace))
    assert result.output_for_node("card") == "# Churn\n"
    assert result.output_for_node("files") == ["Kitfile", "README.md"]
    with kitops.open(f"{namespace}/churn:latest", where="registry") as kit:
        assert kit.digest == data_version(instance, "churn")
    assert metadata(instance, "churn")["dagster/uri"] == f"oci://{namespace}/churn@{kit.digest}"
    assert kitops.list_kits() == []


def test_an_unchanged_directory_is_not_sent_again(instance: dg.DagsterInstance, registry: str, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/weights.onnx").write_bytes(b"weights" * 10_000)

    @dg.asset(io_manager_key="modelkit")
    def bundle():
        return tmp_path / "bundle"

    resource = KitOpsResource(registry=f"{registry}/dagster-{uuid.uuid4().hex[:8]}")
    run([bundle], instance, kitops=resource)
    assert metadata(instance, "bundle")["kitops/record"]["sent"] > 70_000
    run([bundle], instance, kitops=resource)
    assert metadata(instance, "bundle")["kitops/record"]["sent"] == 0
    assert metadata(instance, "bundle")["kitops/changed"] is False


def test_credentials_come_from_the_environment_and_are_written_nowhere(
    auth_registry: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    resource = KitOpsResource(
        registry=f"{auth_registry.address}/ml", username=USERNAME, password=dg.EnvVar("REGISTRY_PASSWORD")
    )
    kept = tmp_path / "dagster"
    kept.mkdir()
    with dg.DagsterInstance.local_temp(str(kept)) as instance:  # on disk: runs, events and what assets return
        assert run(
            [churn, card], instance, kitops=resource, more={"io_manager": dg.FilesystemIOManager(base_dir=str(kept))}
        ).success
        digest = data_version(instance, "churn").encode()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(digest in data for data in written)
    assert not any(PASSWORD.encode() in data for data in written)


def test_a_refusal_names_the_registry_and_not_the_password(instance: dg.DagsterInstance, auth_registry: Served) -> None:
    resource = KitOpsResource(registry=f"{auth_registry.address}/ml", username=USERNAME, password="wrong-horse")
    with pytest.raises(DeniedError, match=auth_registry.address) as caught:
        run([churn], instance, kitops=resource)
    assert "wrong-horse" not in str(caught.value)
    (failed,) = instance.get_runs()
    assert not any("wrong-horse" in str(entry) for entry in instance.all_logs(failed.run_id))

"""Where a task works, and as whom. The functions of the tasks need neither a run nor a Prefect server."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_bundle
from prefect.blocks.system import Secret
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

import kitops_core as kitops
from prefect_kitops import (
    ModelKitRef,
    ModelKitRepository,
    OCIRegistry,
    pack_modelkit,
    pull_modelkit,
    push_modelkit,
    resolve_modelkit,
)
from prefect_kitops.connection import connect, load_block

pack, pull, push, resolve = pack_modelkit.fn, pull_modelkit.fn, push_modelkit.fn, resolve_modelkit.fn


def block(address: str, name: str) -> ModelKitRepository:
    return ModelKitRepository(registry=address, repository=name.partition("/")[2])


def test_a_name_with_a_registry_is_pushed_in_one_pass(registry: str, bundle: Path) -> None:
    name = repository(registry)
    record = pack(bundle, f"{name}:dev", tags=["1.0"])
    assert resolve(f"{name}:1.0").digest == record.digest
    assert kitops.list_kits() == []


def test_a_name_without_a_registry_is_packed_into_the_local_store(bundle: Path) -> None:
    record = pack(bundle, "churn:dev")
    assert [kit.digest for kit in kitops.list_kits()] == [record.digest]


def test_a_kit_goes_from_the_local_store_to_a_registry_under_another_name(registry: str, bundle: Path) -> None:
    name = repository(registry)
    packed = pack(bundle, "churn:dev")
    pushed = push("churn:dev", f"{name}:dev")
    assert pushed.digest == packed.digest == resolve(f"{name}:dev").digest


def test_a_kit_of_a_registry_is_never_taken_from_the_local_store(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    old = pack(bundle, f"{name}:dev")
    pull(f"{name}:dev")
    new = pack(write_bundle(tmp_path / "new", b"other"), f"{name}:dev")
    assert old.digest != new.digest == resolve(f"{name}:dev").digest


def test_only_what_is_asked_for_is_unpacked(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    pack(bundle, f"{name}:dev")
    pull(f"{name}:dev", tmp_path / "out", only=["model"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.bin"]


def test_without_a_directory_a_kit_is_pulled_into_the_local_store(registry: str, bundle: Path) -> None:
    name = repository(registry)
    digest = pack(bundle, f"{name}:dev").digest
    pull(f"{name}:dev")
    assert [kit.digest for kit in kitops.list_kits()] == [digest]


def test_with_a_repository_block_a_tag_or_digest_is_enough(registry: str, bundle: Path) -> None:
    name = repository(registry)
    churn = block(registry, name)
    record = pack(bundle, "dev", registry=churn)
    assert record.reference == f"{name}:dev@{record.digest}"
    assert resolve("dev", registry=churn).digest == record.digest
    assert resolve(record.digest, registry=churn).reference == f"{name}@{record.digest}"
    assert resolve(f"{name}:dev", registry=churn).tag == "dev"
    assert churn.reference() == name


def test_credentials_of_a_block_open_a_registry_that_wants_them(
    auth_registry: Served, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", logger="prefect.prefect_kitops")
    name = repository(auth_registry.address)
    block = OCIRegistry(host=auth_registry.address, username=USERNAME, password=PASSWORD)
    digest = pack(bundle, f"{name}:dev", registry=block).digest
    assert resolve(f"{name}:dev", registry=block).digest == digest
    with pytest.raises(kitops.DeniedError):
        resolve(f"{name}:dev")
    assert "or give `registry` a saved block, as in 'oci-registry/NAME'" in caplog.text


def test_a_docker_config_on_the_machine_opens_a_registry(auth_registry: Served, bundle: Path, tmp_path: Path) -> None:
    import base64
    import json

    auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {auth_registry.address: {"auth": auth}}}))
    name = repository(auth_registry.address)
    pack(bundle, f"{name}:dev", registry=OCIRegistry(host=auth_registry.address, credential_files=[str(config)]))


def test_a_reference_is_plain_json_and_names_its_asset(registry: str, bundle: Path) -> None:
    name = repository(registry)
    kit = pack(bundle, f"{name}:dev", tags=["1.0"])
    assert ModelKitRef.model_validate_json(kit.model_dump_json()) == kit
    assert kit.reference == f"{name}:dev@{kit.digest}" == str(kit)
    assert kit.asset_key == f"oci://{name}"
    assert (kit.tags, kit.changed, kit.previous_digest) == (("dev", "1.0"), True, "")


@pytest.mark.usefixtures("prefect_server")
def test_a_block_is_named_and_one_that_was_never_saved_is_said_so() -> None:
    OCIRegistry(host="ghcr.io", username="ci", password=PASSWORD).save("by-name", overwrite=True)
    ModelKitRepository(registry="registry.example.com", repository="ml/churn").save("by-name", overwrite=True)
    registry, churn = load_block("oci-registry/by-name"), load_block("by-name")
    assert isinstance(registry, OCIRegistry)
    assert isinstance(churn, ModelKitRepository)
    assert churn == load_block("modelkit-repository/by-name")
    with pytest.raises(kitops.NotFoundError, match="no block 'modelkit-repository/nowhere'") as missing:
        load_block("nowhere")
    assert "prefect block ls" in str(missing.value.hint)
    Secret(value="x").save("by-name", overwrite=True)
    with pytest.raises(kitops.InvalidInputError, match="of another type"):
        load_block("secret/by-name")


def test_the_page_of_a_repository_is_the_blocks_the_registrys_or_none() -> None:
    page = "https://kits.example.com/churn"
    churn = connect(ModelKitRepository(registry="registry.example.com", repository="ml/churn", web_url=page))
    assert churn.url(churn.reference("dev")) == page
    assert churn.url(churn.reference("registry.example.com/ml/other:dev")) == "https://registry.example.com/ml/other"
    assert churn.url(churn.reference("127.0.0.1:5000/ml/churn:dev")) == "", "there is no page for others to look at"


def test_two_blocks_of_one_host_that_differ_are_refused() -> None:
    one, other = (OCIRegistry(host="ghcr.io", username=name, password=PASSWORD) for name in ("a", "b"))
    connect([one, ModelKitRepository(registry=one, repository="ml/churn")])
    with pytest.raises(kitops.InvalidInputError, match=r"two blocks say different things of ghcr\.io"):
        connect([one, other])

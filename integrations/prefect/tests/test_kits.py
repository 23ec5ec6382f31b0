"""The plain functions: no run and no Prefect server is needed for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_bundle
from prefect.blocks.system import Secret
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

import kitops_core as kitops
from prefect_kitops import ModelKitRef, ModelKitRepository, OCIRegistryCredentials, kits
from prefect_kitops.connection import find_place, load_block


def block(address: str, name: str) -> ModelKitRepository:
    return ModelKitRepository(registry=address, repository=name.partition("/")[2])


def test_a_name_with_a_registry_is_pushed_in_one_pass(registry: str, bundle: Path) -> None:
    name = repository(registry)
    record = kits.pack(bundle, f"{name}:dev", tags=["1.0"])
    assert kits.resolve(f"{name}:1.0").digest == record.digest
    assert kitops.list_kits() == []


def test_a_name_without_a_registry_is_packed_into_the_local_store(bundle: Path) -> None:
    record = kits.pack(bundle, "churn:dev")
    assert [kit.digest for kit in kitops.list_kits()] == [record.digest]


def test_a_kit_goes_from_the_local_store_to_a_registry_under_another_name(registry: str, bundle: Path) -> None:
    name = repository(registry)
    packed = kits.pack(bundle, "churn:dev")
    pushed = kits.push("churn:dev", f"{name}:dev")
    assert pushed.digest == packed.digest == kits.resolve(f"{name}:dev").digest


def test_a_kit_of_a_registry_is_never_taken_from_the_local_store(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    old = kits.pack(bundle, f"{name}:dev")
    kits.pull(f"{name}:dev")
    new = kits.pack(write_bundle(tmp_path / "new", b"other"), f"{name}:dev")
    assert old.digest != new.digest == kits.resolve(f"{name}:dev").digest


def test_only_what_is_asked_for_is_unpacked(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)
    kits.pack(bundle, f"{name}:dev")
    kits.pull(f"{name}:dev", tmp_path / "out", only=["model"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.bin"]


def test_without_a_directory_a_kit_is_pulled_into_the_local_store(registry: str, bundle: Path) -> None:
    name = repository(registry)
    digest = kits.pack(bundle, f"{name}:dev").digest
    kits.pull(f"{name}:dev")
    assert [kit.digest for kit in kitops.list_kits()] == [digest]


def test_with_a_repository_block_a_tag_or_digest_is_enough(registry: str, bundle: Path) -> None:
    name = repository(registry)
    churn = block(registry, name)
    record = kits.pack(bundle, "dev", registry=churn)
    assert record.reference == f"{name}:dev"
    assert kits.resolve("dev", registry=churn).digest == record.digest
    assert kits.resolve(record.digest, registry=churn).reference == f"{name}@{record.digest}"
    assert kits.resolve(f"{name}:dev", registry=churn).tag == "dev"
    assert churn.reference() == name


def test_credentials_of_a_block_open_a_registry_that_wants_them(auth_registry: Served, bundle: Path) -> None:
    name = repository(auth_registry.address)
    credentials = OCIRegistryCredentials(username=USERNAME, password=PASSWORD)
    digest = kits.pack(bundle, f"{name}:dev", registry=credentials).digest
    assert kits.resolve(f"{name}:dev", registry=credentials).digest == digest
    with pytest.raises(kitops.DeniedError):
        kits.resolve(f"{name}:dev")


def test_a_docker_config_on_the_machine_opens_a_registry(auth_registry: Served, bundle: Path, tmp_path: Path) -> None:
    import base64
    import json

    auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {auth_registry.address: {"auth": auth}}}))
    name = repository(auth_registry.address)
    kits.pack(bundle, f"{name}:dev", registry=OCIRegistryCredentials(docker_config=str(config)))


def test_a_reference_is_plain_json_and_names_its_asset(registry: str, bundle: Path) -> None:
    name = repository(registry)
    kit = ModelKitRef.of(kits.pack(bundle, f"{name}:dev", tags=["1.0"]))
    assert ModelKitRef.model_validate_json(kit.model_dump_json()) == kit
    assert kit.reference == f"{name}:dev@{kit.digest}" == str(kit)
    assert kit.asset_key == f"oci://{name}"
    assert (kit.tags, kit.changed, kit.previous_digest) == (("dev", "1.0"), True, "")


@pytest.mark.usefixtures("prefect_server")
def test_a_block_is_named_and_one_that_was_never_saved_is_said_so() -> None:
    OCIRegistryCredentials(username="ci", password=PASSWORD).save("by-name", overwrite=True)
    ModelKitRepository(registry="registry.example.com", repository="ml/churn").save("by-name", overwrite=True)
    credentials, churn = load_block("oci-registry-credentials/by-name"), load_block("by-name")
    assert isinstance(credentials, OCIRegistryCredentials)
    assert isinstance(churn, ModelKitRepository)
    assert churn == load_block("modelkit-repository/by-name")
    with pytest.raises(kitops.NotFoundError, match="no block 'modelkit-repository/nowhere'") as missing:
        load_block("nowhere")
    assert "prefect block ls" in str(missing.value.hint)
    Secret(value="x").save("by-name", overwrite=True)
    with pytest.raises(kitops.InvalidInputError, match="of another type"):
        load_block("secret/by-name")


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ("ghcr.io/acme/churn:1.0", "oci://ghcr.io/acme/churn"),
        ("churn", "oci://localhost/churn"),
        ("oci:/tmp/my kits:dev", "oci:///tmp/my-kits"),
        ("[::1]:5000/churn:dev", "oci://-::1-:5000/churn"),
    ],
)
def test_every_reference_has_a_key_that_prefect_takes(reference: str, key: str) -> None:
    from prefect.assets import Asset

    from prefect_kitops.reference import asset_key

    assert Asset(key=asset_key(reference)).key == key


def test_settings_of_the_block_reach_the_engine() -> None:
    churn = ModelKitRepository(
        registry="registry.example.com",
        repository="ml/churn",
        tls_verify=False,
        ca_file="/etc/ca.pem",
        credentials=OCIRegistryCredentials(token="t0ken"),
        web_url="https://kits.example.com/churn",
    )
    place = find_place("dev", churn)
    assert place.options is not None
    assert (place.options.tls_verify, place.options.ca_file, place.options.token) == (
        False,
        Path("/etc/ca.pem"),
        "t0ken",
    )
    assert (str(place.reference), place.url) == ("registry.example.com/ml/churn:dev", "https://kits.example.com/churn")
    assert find_place("registry.example.com/ml/other:dev", churn).url == "https://registry.example.com/ml/other"
    assert find_place("127.0.0.1:5000/ml/churn:dev").url == "", "there is no page for anybody else to look at"

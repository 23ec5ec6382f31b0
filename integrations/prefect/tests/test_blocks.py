"""The blocks pass Prefect's own standard tests, keep their secrets, and are found by name in a clean process."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import ValidationError
from registry_fixture import PASSWORD

import kitops_core as kitops
from prefect_kitops import ModelKitRepository, OCIRegistry


@pytest.mark.parametrize("block", [OCIRegistry, ModelKitRepository])
class TestStandard(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, block: type[Block]) -> type[Block]:  # type: ignore[override]
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test fetches the logo from the internet, which these tests do not."""
        assert str(block._logo_url).startswith("https://")


def test_secrets_are_in_no_repr() -> None:
    registry = OCIRegistry(
        host="registry.example.com",
        username="ci",
        password=PASSWORD,
        token="t0ken",
        identity_token="r3fresh",
        proxy="http://me:pr0xy@proxy.example.com",
    )
    churn = ModelKitRepository(registry=registry, repository="ml/churn")
    for shown in (repr(churn), str(churn), churn.model_dump_json(), repr(registry.options()), repr(churn.get_client())):
        assert not [secret for secret in (PASSWORD, "t0ken", "r3fresh", "pr0xy") if secret in shown]


def test_every_option_of_the_transport_is_a_field_and_reaches_the_engine(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "username": "ci",
        "password": PASSWORD,
        "token": "t0ken",
        "identity_token": "r3fresh",
        "credential_files": ["~/auth.json"],
        "plain_http": False,
        "tls_verify": False,
        "ca_file": "~/ca.pem",
        "client_cert": "/etc/client.pem",
        "tls_key": "/etc/client.key",
        "proxy": "http://proxy.example.com:3128",
        "connect_timeout": 3.0,
        "timeout": 20.0,
        "keep_trying": 9.0,
        "backoff": 0.25,
        "settle": 2.0,
    }
    options = ModelKitRepository(
        registry=OCIRegistry(host="ghcr.io", **given), repository="ml/churn"
    ).registry.options()
    assert {field.name for field in dataclasses.fields(kitops.RegistryOptions)} == {*given, "origin", "renew"}
    home = tmp_path / "home"
    expected = {
        **given,
        "credential_files": (home / "auth.json",),
        "ca_file": home / "ca.pem",
        "client_cert": Path("/etc/client.pem"),
        "tls_key": Path("/etc/client.key"),
    }
    assert {name: getattr(options, name) for name in given} == expected


@pytest.mark.parametrize("block", [OCIRegistry, ModelKitRepository])
def test_an_unknown_field_is_an_error_that_does_not_show_what_it_was_given(block: type[Block]) -> None:
    fields = {"host": "ghcr.io"} if block is OCIRegistry else {"registry": "ghcr.io", "repository": "ml/churn"}
    with pytest.raises(ValidationError, match="pasword") as problem:
        block(**fields, pasword=PASSWORD)
    assert PASSWORD not in str(problem.value)


def test_settings_that_contradict_each_other_are_an_error_where_the_block_is_made() -> None:
    with pytest.raises(kitops.InvalidInputError, match="password is missing"):
        OCIRegistry(host="ghcr.io", username="ci")
    with pytest.raises(kitops.InvalidInputError, match="not a registry's host"):
        OCIRegistry(host="https://ghcr.io")
    ModelKitRepository.model_validate_json(ModelKitRepository(registry="ghcr.io", repository="a").model_dump_json())


@pytest.mark.usefixtures("prefect_server")
def test_a_saved_repository_is_loaded_in_a_process_that_knows_no_collection() -> None:
    registry = OCIRegistry(host="registry.example.com", username="ci", password=PASSWORD)
    registry.save("ghcr", overwrite=True)
    churn = ModelKitRepository(registry=registry, repository="ml/churn")
    churn.save("churn", overwrite=True)
    code = (
        "from prefect.blocks.core import Block\n"
        "block = Block.load('modelkit-repository/churn')\n"
        "print(type(block).__module__, block.full_name, block.registry.password.get_secret_value())"
    )
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
        documents: list[dict[str, Any]] = client.request("POST", "/block_documents/filter", json={}).json()
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PREFECT_API_URL": url},
    )
    assert shown.stdout.split() == ["prefect_kitops.repository", "registry.example.com/ml/churn", PASSWORD]
    assert PASSWORD not in str(documents)

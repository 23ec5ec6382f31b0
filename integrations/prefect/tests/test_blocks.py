"""The blocks pass Prefect's own standard tests, keep their secrets, and are found by name in a clean process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from registry_fixture import PASSWORD

from prefect_kitops import ModelKitRepository, OCIRegistryCredentials


@pytest.mark.parametrize("block", [OCIRegistryCredentials, ModelKitRepository])
class TestStandard(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, block: type[Block]) -> type[Block]:  # type: ignore[override]
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test fetches the logo from the internet, which these tests do not."""
        assert str(block._logo_url).startswith("https://")


def test_secrets_are_in_no_repr() -> None:
    credentials = OCIRegistryCredentials(username="ci", password=PASSWORD, token="t0ken", identity_token="r3fresh")
    churn = ModelKitRepository(registry="registry.example.com", repository="ml/churn", credentials=credentials)
    for shown in (repr(churn), str(churn), churn.model_dump_json(), repr(credentials.get_client())):
        assert not [secret for secret in (PASSWORD, "t0ken", "r3fresh") if secret in shown]


@pytest.mark.usefixtures("prefect_server")
def test_a_saved_repository_is_loaded_in_a_process_that_knows_no_collection() -> None:
    credentials = OCIRegistryCredentials(username="ci", password=PASSWORD)
    credentials.save("ghcr", overwrite=True)
    churn = ModelKitRepository(registry="registry.example.com", repository="ml/churn", credentials=credentials)
    churn.save("churn", overwrite=True)
    code = (
        "from prefect.blocks.core import Block\n"
        "block = Block.load('modelkit-repository/churn')\n"
        "print(type(block).__module__, block.full_name, block.credentials.password.get_secret_value())"
    )
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
        documents: list[dict[str, Any]] = client.request("POST", "/block_documents/filter", json={}).json()
    import os

    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PREFECT_API_URL": url},
    )
    assert shown.stdout.split() == ["prefect_kitops.repository", "registry.example.com/ml/churn", PASSWORD]
    assert PASSWORD not in str(documents)

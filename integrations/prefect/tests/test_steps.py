"""Steps of ``prefect.yaml``, run as ``prefect deploy`` and workers run them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prefect.deployments.steps.core import run_steps
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

from prefect_kitops import OCIRegistry

pytestmark = pytest.mark.usefixtures("prefect_server")
STEPS = "prefect_kitops.deployments.steps"


def test_a_kit_is_packed_by_a_build_step_and_unpacked_by_a_pull_step(
    auth_registry: Served, bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = OCIRegistry(host=auth_registry.address, username=USERNAME, password=PASSWORD)
    registry.save("steps", overwrite=True)
    name = repository(auth_registry.address)
    secret = "{{ prefect.blocks.oci-registry.steps }}"
    steps: list[dict[str, Any]] = [
        {
            f"{STEPS}.push_modelkit": {
                "id": "kit",
                "source": str(bundle),
                "reference": f"{name}:dev",
                "registry": secret,
            }
        },
        {
            f"{STEPS}.pull_modelkit": {
                "id": "pulled",
                "reference": "{{ kit.reference }}",
                "directory": str(tmp_path / "out"),
                "only": ["model"],
                "registry": secret,
            }
        },
        {"prefect.deployments.steps.set_working_directory": {"directory": "{{ pulled.directory }}"}},
    ]
    import os

    before = os.getcwd()
    try:
        outputs = asyncio.run(run_steps(steps))
        assert os.getcwd() == str(tmp_path / "out")
    finally:
        os.chdir(before)
    digest = registry.get_client().resolve(f"{name}:dev")
    assert outputs["digest"] == digest
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.bin"]
    printed = capfd.readouterr()
    assert PASSWORD not in printed.out + printed.err

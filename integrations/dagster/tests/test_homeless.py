"""A container that runs as a user without a home packs to a registry."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import fields
from pathlib import Path

import pytest

import kitops_core as kitops
from dagster_kitops import KitOpsResource

HERE = Path(__file__).parent


@pytest.mark.parametrize("user", ["", "54321"])
def test_no_home_and_no_known_user_pack_to_a_registry(registry: str, user: str, tmp_path: Path) -> None:
    if user and os.getuid() != 0:
        pytest.skip("only root becomes another user")
    unwanted = ("HOME", "KITOPS_HOME", "XDG_DATA_HOME", "DAGSTER_HOME", "LOGNAME", "USER")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    target = f"{registry}/{uuid.uuid4().hex[:8]}"
    done = subprocess.run(
        [sys.executable, HERE / "homeless.py", target, *([user] if user else [])],
        env={**environment, "PYTHONPATH": str(HERE), "TMPDIR": "/tmp"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with kitops.open(f"{target}/churn:latest", where="registry") as kit:
        assert kit.read("model.bin") == f"packed by {user or os.getuid()}".encode()


def test_the_resource_names_every_option_of_a_registry() -> None:
    options = {field.name for field in fields(kitops.RegistryOptions)} - {"origin", "renew"}  # said by code, not config
    assert options - set(KitOpsResource.model_fields) == set()

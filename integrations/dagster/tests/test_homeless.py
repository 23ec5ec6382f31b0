"""A container that runs as a user without a home, with a root it may not write to, packs to a registry."""

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


READ_ONLY = "mount -o remount,ro,bind / || exit 77; ! touch /written-by-a-test || exit 78; "


@pytest.mark.parametrize("root", ["", "read-only"])
@pytest.mark.parametrize("user", ["", "54321"])
def test_assets_and_ops_pack_to_a_registry_and_load_from_it(registry: str, user: str, root: str) -> None:
    if (user or root) and os.getuid() != 0:
        pytest.skip("only root becomes another user, or has a root that it may not write to")
    unwanted = ("HOME", "KITOPS_HOME", "XDG_DATA_HOME", "DAGSTER_HOME", "LOGNAME", "USER", "TMPDIR")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    target = f"{registry}/{uuid.uuid4().hex[:8]}"
    command = [sys.executable, str(HERE / "homeless.py"), target, *([user] if user else [])]
    if root:
        command = ["unshare", "-m", "sh", "-c", READ_ONLY + 'exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        env={**environment, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this container may not mount anything")
    assert done.returncode == 0, done.stderr[-2000:]
    with kitops.open(f"{target}/churn:latest", where="registry") as kit:
        assert kit.read("model.bin") == f"packed by {user or os.getuid()}".encode()
    assert kitops.resolve(f"{target}/by-client:1", where="registry")


def test_the_resource_names_every_option_of_a_registry() -> None:
    options = {field.name for field in fields(kitops.RegistryOptions)} - {"origin", "renew"}  # said by code, not config
    assert options - set(KitOpsResource.model_fields) == set()

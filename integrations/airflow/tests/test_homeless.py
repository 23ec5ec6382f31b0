"""A worker that runs as a user without a home, whom the system does not know, packs to a registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

import kitops_core as kitops

USER = 54321
PACKS = """
import encodings, importlib, os, pkgutil, sys
from kitops_airflow.hooks.kitops import KitOpsHook

def pack(tag):
    with KitOpsHook().get_conn() as client:
        client.pack(sys.argv[1], f"{sys.argv[2]}:{tag}", push=True)

for module in pkgutil.iter_modules(encodings.__path__):
    if module.name not in ("mbcs", "oem"):  # Windows has them
        importlib.import_module(f"encodings.{module.name}")
pack("known")  # Python's own files may be closed to the other user, so what it imports is imported
os.setgroups([])
os.setresuid(int(sys.argv[3]), int(sys.argv[3]), int(sys.argv[3]))
pack("unknown")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_hook_packs_to_a_registry_for_a_user_without_a_home(registry: str, tmp_path: Path) -> None:
    unwanted = ("HOME", "KITOPS_HOME", "XDG_DATA_HOME", "LOGNAME", "USER")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    connection = json.dumps({"conn_type": "kitops", "host": registry})
    name = f"{registry}/{uuid.uuid4().hex[:8]}/churn"
    with tempfile.TemporaryDirectory() as files:
        Path(files).chmod(0o755)  # as those of other tests are not
        Path(files, "model.bin").write_bytes(b"weights")
        done = subprocess.run(
            [sys.executable, "-c", PACKS, files, name, str(USER)],
            env={**environment, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_KITOPS_DEFAULT": connection},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    with kitops.open(f"{name}:unknown", where="registry") as kit:
        assert kit.read("model.bin") == b"weights"

"""KServe's own storage package in an environment of its own, for the tests that hold our images against it.

Its full dependencies (four clouds' clients) and their floors are not ours to take on, so it is installed without them,
beside the few that its OCI download imports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "kserve-storage==0.21.*"
IMPORTED = ("oras>=0.2.42", "requests", "pyyaml", "certifi")
DOWNLOAD = "import sys; from kserve_storage import Storage; Storage.download(sys.argv[1], sys.argv[2])"


class KServe:
    """The real ``kserve-storage``, called as its initializer calls it."""

    def __init__(self, python: Path) -> None:
        self._python = python

    def download(self, uri: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``Storage.download`` in a process of its own."""
        env = {**os.environ, "KSERVE_OCI_INSECURE_REGISTRY": "true", **environment}
        command = [str(self._python), "-c", DOWNLOAD, uri, str(directory)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def install_kserve(directory: Path) -> KServe:
    """Install it into a new environment; skips the test, saying why, where that cannot be done."""
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(uv).is_file():
        pytest.skip("uv is not here to install kserve-storage with: `make` brings it")
    python = directory / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    for command in ([uv, "venv", "--quiet", str(directory)], [*install, "--no-deps", PACKAGE], [*install, *IMPORTED]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=280)
        if done.returncode:
            pytest.skip(f"kserve-storage cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return KServe(python)

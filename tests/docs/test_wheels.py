"""Each wheel that `make packages` built, in a fresh environment, runs the first example that its page on PyPI shows."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

import pytest
from readme import snippet

from kitops_core.version import __version__
from publishing.links import ROOT
from publishing.packages import PACKAGES

DIST = ROOT / "dist"
UV = os.environ.get("UV", "uv")
pytestmark = [pytest.mark.packages, pytest.mark.slow]


def wheel(package: str) -> Path:
    (found,) = DIST.glob(f"{package.replace('-', '_')}-{__version__}-*.whl")
    return found


class Environment:
    """A fresh environment with one package in it, and a directory to work in."""

    def __init__(self, root: Path, package: str, extra: str = "", *more: str) -> None:
        self.work = root / "work"
        self.work.mkdir()
        self._bin = root / "environment" / "bin"
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, self._bin.parent], check=True)
        install = [UV, "pip", "install", "--quiet", "--python", self._bin / "python", "--find-links", DIST]
        subprocess.run(
            [*install, f"{wheel(package)}{extra}", *more], check=True, env=self._env(UV_COMPILE_BYTECODE="0")
        )

    def run(self, *command: str, **variables: str) -> str:
        """Run a program of the environment; gives what it wrote.

        The directory is not this project's, and its name is not on the path, so that only what was installed is found.
        """
        program = [str(self._bin / command[0]), *command[1:]]
        environment = self._env(KITOPS_HOME=str(self.work / "store"), **variables)
        done = subprocess.run(program, cwd=self.work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    @staticmethod
    def _env(**variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return kept | variables


@pytest.mark.parametrize("package", PACKAGES)
def test_what_pypi_shows_has_no_broken_link(package: str) -> None:
    with zipfile.ZipFile(wheel(package)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(name))
    assert (said["Name"], said["Version"]) == (package, __version__)
    assert said["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", said.get_payload())
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    needed = [one.partition(";")[0] for one in said.get_all("Requires-Dist", [])]
    cores = {re.sub(r"\[.*\]", "", one).strip() for one in needed if one.startswith("kitops-core")}
    assert cores == ({f"kitops-core=={__version__}"} if package != "kitops-core" else set())


def test_the_core_packs_pushes_and_unpacks(tmp_path: Path, registry: str) -> None:
    there = Environment(tmp_path, "kitops-core")
    (there.work / "my-model").mkdir()
    (there.work / "my-model/model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    name = f"{registry}/{uuid.uuid4().hex[:8]}"
    for line in snippet("command").replace("registry.example.com", name).splitlines():
        there.run("kitops", *line.partition(" #")[0].removeprefix("$ kitops ").split())
    assert (there.work / "out/model.safetensors").is_file()
    assert there.run("kitops", "version", "--json")


def test_airflow_packs_what_a_task_returns(tmp_path: Path, registry: str) -> None:
    there = Environment(tmp_path, "airflow-provider-kitops")
    name = f"{registry}/{uuid.uuid4().hex[:8]}"
    code = snippet("dag", "integrations/airflow/README.md").replace("registry.example.com", name)
    train = "def train(data, out):\n    out.write_bytes(b'weights')\n    return 0.94\n\n\n"
    (there.work / "dags").mkdir()
    (there.work / "dags/churn.py").write_text(train + code)
    home = {"AIRFLOW_HOME": str(there.work), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    there.run("airflow", "db", "migrate", **home)
    there.run("airflow", "dags", "reserialize", **home)
    there.run("airflow", "dags", "test", "train_churn", **home)
    assert "dev" in there.run("kitops", "list", f"{name}/ml/churn")


def test_prefect_packs_what_a_function_returns(tmp_path: Path, registry: str) -> None:
    there = Environment(tmp_path, "prefect-kitops", "", *(["fastapi<0.151"] if sys.version_info < (3, 11) else []))
    name = f"{registry}/{uuid.uuid4().hex[:8]}"
    (there.work / "flow.py").write_text(
        snippet("flow", "integrations/prefect/README.md").replace("registry.example.com", name)
    )
    prefect = {"PREFECT_HOME": str(there.work / "prefect"), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
    said = there.run("python", "flow.py", PREFECT_LOGGING_LEVEL="WARNING", **prefect)
    assert said.strip().splitlines()[-1].startswith("sha256:")
    assert (there.work / "serving/model.bin").read_text() == "a tree of depth 8"


def test_dagster_packs_what_an_asset_returns(tmp_path: Path, registry: str) -> None:
    there = Environment(tmp_path, "dagster-kitops", "[sklearn]")
    name = f"{registry}/{uuid.uuid4().hex[:8]}"
    code = snippet("wine", "integrations/dagster/README.md").replace("registry.example.com", name)
    job = "\nassert defs.resolve_implicit_global_asset_job_def().execute_in_process().success\n"
    (there.work / "definitions.py").write_text(code + job)
    there.run("python", "definitions.py", DAGSTER_HOME="")
    assert "accuracy" in there.run("kitops", "info", "--remote", f"{name}/ml/wine:latest")

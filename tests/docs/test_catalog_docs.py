"""What docs/catalog.md shows is what happens."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from catalogs import Namespace, new_namespace
from cli_runner import ok
from readme import snippet

import kitops_core as kitops

FILE = "docs/catalog.md"


@pytest.fixture
def kits(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """The namespace of the snippets, with a kit and its policy in the working directory."""
    kits = new_namespace(tmp_path / "files", registry)
    kits.push("churn", "1.0")
    monkeypatch.chdir(tmp_path)
    Path("promotion.yaml").write_text(f"kit: {kits.name}/churn\nchannels: {{prod: {{}}}}\n")
    return kits


def here(name: str, kits: Namespace) -> str:
    return snippet(name, FILE).replace("registry.example.com/ml", kits.name)


def test_the_command_writes_the_pages_that_the_table_names(kits: Namespace) -> None:
    ok(*here("build", kits).split()[2:])
    for page in ("index.html", "channels.html", "lineage.html", "kits/*/index.html", "kits/*/sha256-*.html"):
        assert len([*Path("site").glob(page)]) == 1


def test_what_is_published_is_the_pages_alone(kits: Namespace) -> None:
    build, publish = here("publish", kits).splitlines()
    assert ok(*build.split()[2:]).json["kits"] == 1
    subprocess.run(publish.split()[1:], check=True)
    with tarfile.open("site.tar") as archive:
        names = archive.getnames()
    assert "./index.html" in names
    assert not [name for name in names if "kitops-catalog" in name]


def test_python_tells_the_same(kits: Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(here("python", kits), FILE, "exec"), {})
    assert capsys.readouterr().out == "1 1 0 ()\n"


def test_the_function_can_be_called_twice(kits: Namespace) -> None:
    """A package of the same name would take its place once it is imported."""
    for _ in range(2):
        assert kitops.catalog([f"{kits.name}/"], "site").versions == 1

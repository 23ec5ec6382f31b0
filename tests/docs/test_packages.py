"""What goes to PyPI: one version, links that hold there, and addresses of this project."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from kitops_core.version import __version__
from publishing.links import ROOT
from publishing.packages import PACKAGES, addresses, metadata, readme

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = "https://git.example.com/owner/kits"
MEMBERS = [name for name in PACKAGES if name != "kitops-core"]
every_package = pytest.mark.parametrize("package", PACKAGES)


def project(package: str, repository: str = REPOSITORY) -> dict[str, object]:
    read: dict[str, object] = tomllib.loads(metadata(PACKAGES[package], repository))["project"]
    return read


@pytest.mark.parametrize("package", MEMBERS)
def test_each_is_of_the_cores_version_and_asks_for_that_core(package: str) -> None:
    built = project(package)
    assert built["version"] == __version__
    assert "dynamic" not in built
    needed = [built["dependencies"], *built.get("optional-dependencies", {}).values()]  # type: ignore[attr-defined]
    cores = [one for some in needed for one in some if one.startswith("kitops-core")]
    assert cores
    assert {re.sub(r"\[.*\]", "", one) for one in cores} == {f"kitops-core=={__version__}"}


def test_the_version_stands_in_one_place() -> None:
    places = [*ROOT.glob("*.toml"), *ROOT.glob("kitops_core/*.py"), *ROOT.glob("integrations/*/pyproject.toml")]
    places += ROOT.glob("integrations/*/src/*/__init__.py")
    written = [path.name for path in places if re.search(r'^(__version__|version) = "', path.read_text(), re.M)]
    assert written == ["version.py"]


@every_package
def test_the_addresses_are_of_this_project(package: str) -> None:
    urls = project(package)["urls"]
    assert isinstance(urls, dict)
    assert urls["Source"] == REPOSITORY
    assert urls["Issues"] == f"{REPOSITORY}/issues"
    assert urls["Documentation"] == f"{REPOSITORY}/blob/v{__version__}/docs/index.md"
    changelog = urls["Changelog"].removeprefix(f"{REPOSITORY}/blob/v{__version__}/")
    assert (ROOT / changelog).is_file()
    assert addresses("", PACKAGES[package]) == {}


@every_package
@pytest.mark.parametrize("repository", [REPOSITORY, ""])
def test_a_readme_has_no_link_that_is_broken_without_the_files_beside_it(package: str, repository: str) -> None:
    text = readme(PACKAGES[package], repository)
    links = re.findall(r"\]\(([^)]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    ours = [link for link in links if link.startswith(f"{REPOSITORY}/")]
    assert bool(ours) == bool(repository)
    for link in ours:
        path = re.sub(rf"^{REPOSITORY}/(blob|raw|tree)/v{re.escape(__version__)}/", "", link).partition("#")[0]
        assert (ROOT / path).exists(), link


def test_images_are_shown_as_their_bytes() -> None:
    text = readme(PACKAGES["prefect-kitops"], REPOSITORY)
    assert f"]({REPOSITORY}/raw/v{__version__}/integrations/prefect/docs/card.png)" in text


def test_a_release_is_published_without_any_token() -> None:
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    assert "id-token: write" in workflow
    assert not re.search(r"password|secrets\.", workflow)
    assert {*re.findall(r"make ([a-z -]+)$", workflow, re.M)} == {"check test-packages docs"}


def test_what_a_package_consists_of_is_there() -> None:
    for directory in PACKAGES.values():
        assert {"pyproject.toml", "README.md", "LICENSE"} <= {path.name for path in Path(directory).iterdir()}

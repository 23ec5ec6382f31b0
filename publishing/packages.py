"""The four packages: ``python -m publishing.packages`` builds them into ``dist``, as they go to PyPI.

They are built from a copy of what they consist of. In it the links of the READMEs are absolute, for PyPI shows a README
without the files beside it; the metadata has the addresses of this project; and each of the three that stand on the
core asks for the core of its own version, since all are released together.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kitops_core.version import __version__
from publishing.links import ROOT, in_repository, rewritten

PACKAGES = {
    "kitops-core": ROOT,
    "airflow-provider-kitops": ROOT / "integrations/airflow",
    "prefect-kitops": ROOT / "integrations/prefect",
    "dagster-kitops": ROOT / "integrations/dagster",
}
"""The packages by their names on PyPI, with their directories."""
_CORE = PACKAGES["kitops-core"]
_MEMBERS = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src")
_CORES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "kitops_core")
_IN_CORE = 'path = "../../kitops_core/version.py"'


def addresses(repository: str, directory: Path) -> dict[str, str]:
    """What PyPI shows beside a package, by its label; nothing where the repository has no address.

    Args:
        repository: ``https://host/owner/name``.
        directory: The package's directory.
    """
    if not repository:
        return {}
    changes = next(path for path in (directory / "CHANGELOG.md", _CORE / "CHANGELOG.md") if path.exists())
    return {
        "Documentation": in_repository(repository, __version__, Path("docs/index.md")),
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": in_repository(repository, __version__, changes.relative_to(ROOT)),
    }


def metadata(directory: Path, repository: str) -> str:
    """The ``pyproject.toml`` of a package as it is built.

    Raises:
        ValueError: A part that is to be filled in is not there.
    """
    text = (directory / "pyproject.toml").read_text()
    urls = "\n".join(f"{label} = {address!r}" for label, address in addresses(repository, directory).items())
    text = _replaced(text, "[project.urls]\n", f"[project.urls]\n{urls}\n".replace("'", '"'))
    if directory != _CORE:
        text = _replaced(text, 'dynamic = ["version"]', f'version = "{__version__}"')
        text = _replaced(text, f"[tool.hatch.version]\n{_IN_CORE}\n", "")
        text = re.sub(r'"kitops-core(\[\w+\])?"', rf'"kitops-core\1=={__version__}"', text)
    return text


def readme(directory: Path, repository: str) -> str:
    """A package's README with absolute links."""
    file = directory / "README.md"
    return rewritten(file.read_text(), file, lambda path: in_repository(repository, __version__, path))


def build(package: str, repository: str, to: Path) -> None:
    """Build a package's archive and, from that, its wheel."""
    directory = PACKAGES[package]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in _CORES if directory == _CORE else _MEMBERS:
            source = directory / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        (copy / "pyproject.toml").write_text(metadata(directory, repository))
        (copy / "README.md").write_text(readme(directory, repository))
        uv = os.environ.get("UV", "uv")
        subprocess.run([uv, "build", "--quiet", "--no-sources", "--out-dir", to, copy], check=True)


def main() -> None:
    """Build what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m publishing.packages")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="the directory (default: dist)")
    parser.add_argument("--only", action="append", choices=list(PACKAGES), help="only this package")
    parser.add_argument(
        "--repository",
        default=os.environ.get("KITOPS_REPOSITORY", ""),
        help="where the repository is hosted, https://host/owner/name (default: $KITOPS_REPOSITORY). "
        "Without it READMEs have text in place of links into the repository.",
    )
    arguments = parser.parse_args()
    for package in arguments.only or PACKAGES:
        build(package, arguments.repository.rstrip("/"), arguments.to)


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"a pyproject.toml without {old!r} cannot be built")
    return text.replace(old, new, 1)


if __name__ == "__main__":
    main()

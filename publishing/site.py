"""The documentation site: ``python -m publishing.site`` builds it into ``build/site``, and fails on any warning.

Its pages are Markdown files of the repository, which stay where they are and can be read there, and pages that are made
from the code. Zensical makes HTML of them: it is what the authors of Material for MkDocs keep now.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

from kitops_core import __version__
from kitops_core.promotion.schema import SCHEMA_FILE
from publishing.links import ROOT, in_repository, rewritten
from publishing.reference import made_pages

BUILD = ROOT / "build"
CONFIGURATION, STYLE, WORKER = (Path(__file__).parent / name for name in ("zensical.toml", "site.css", "worker.js"))
ORCHESTRATORS = ("airflow", "prefect", "dagster")
SECTIONS = {
    "Start": ("index", "start", "python", *ORCHESTRATORS),
    "Concepts": ("concepts",),
    "How-to": (),  # what no other section names
    "Reference": ("cli", "promotion-yaml"),  # and what is made from the code
    "Performance": ("performance",),
    "Comparison": ("comparison",),
    "Project": ("changelog", "airflow-changelog", "contributing", "security", "releasing", "findings"),
}
"""Which page is in which section, by its name; the file of that name in ``docs``, or one of :data:`ELSEWHERE`."""
TITLES = {
    "index": "Overview",
    "start": "The command",
    "python": "Python",
    **{name: name.title() for name in ORCHESTRATORS},
    "signing": "Signing and policies",
    "serving": "Serving",
    "kubernetes": "Kubernetes",
    "huggingface-to-vllm": "Hugging Face to vLLM",
    "indexes": "Indexes and variants",
    "oci-tools": "Other OCI tools",
    "registries": "Registries",
    "troubleshooting": "Error messages",
    "cli": "The command",
    "airflow-changelog": "Changelog of the Airflow provider",
}
"""What pages are called where their own title is long, or says too little beside others."""
_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
FIRST_HOW_TO = ("promotion", "signing", "serving", "kubernetes", "huggingface-to-vllm", "object-stores", "indexes")
ELSEWHERE = {
    **{name: Path(f"integrations/{name}/README.md") for name in ORCHESTRATORS},
    **{name: Path(f"{name.upper()}.md") for name in ("changelog", "contributing", "security", "releasing")},
    "airflow-changelog": Path("integrations/airflow/CHANGELOG.md"),
    "findings": Path("findings/README.md"),
}


def pages() -> dict[str, Path]:
    """The files that are pages, by the page's name."""
    found = {path.stem: path.relative_to(ROOT) for path in sorted(ROOT.glob("docs/*.md"))}
    return found | {name: path for name, path in ELSEWHERE.items() if (ROOT / path).exists()}


def navigation() -> dict[str, list[str]]:
    """The sections, with the names of their pages in order."""
    have, made = pages(), list(made_pages())
    sections = {title: [name for name in names if name in have] for title, names in SECTIONS.items()}
    named = {name for names in sections.values() for name in names}
    rest = sorted(have.keys() - named, key=lambda name: (name not in FIRST_HOW_TO, name))
    sections["How-to"] = sorted(rest, key=lambda name: FIRST_HOW_TO.index(name) if name in FIRST_HOW_TO else 99)
    sections["Reference"] += made
    return sections


def stage(to: Path, repository: str) -> None:
    """Write all pages and images to a directory, with links that hold there.

    Args:
        to: The directory.
        repository: Where the repository is hosted, for links to files that are no pages; an empty string for nowhere.
    """
    here = {path: f"{name}.md" for name, path in pages().items()}
    pictures = [*ROOT.glob("docs/**/*.png"), *ROOT.glob("integrations/*/docs/**/*.png")]
    images = {path.relative_to(ROOT): _image(path.relative_to(ROOT)) for path in pictures}
    for source, page in here.items():
        text = _COMMENT.sub("", (ROOT / source).read_text())
        text = rewritten(text, ROOT / source, lambda path: (here | images).get(path) or _hosted(repository, path))
        _write(to / page, text)
    for source, image in images.items():
        (to / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, to / image)
    for name, text in made_pages().items():
        up = posixpath.relpath(".", posixpath.dirname(name) or ".")
        _write(to / f"{name}.md", text.replace("](/", f"]({up}/"))
    shutil.copy(SCHEMA_FILE, to)
    shutil.copy(STYLE, to)
    (to / "assets").mkdir(exist_ok=True)
    shutil.copy(WORKER, to / "assets/iframe-worker.js")


def configuration(repository: str) -> str:
    """The configuration, with the navigation."""
    nav = [_entry(title, names) for title, names in navigation().items()]
    address = f'repo_url = "{repository}"\n' if repository else ""
    text = CONFIGURATION.read_text()
    return text.replace("[project]\n", f"[project]\n{address}nav = [{', '.join(nav)}]\n", 1)


def main() -> None:
    """Build the site."""
    repository = os.environ.get("KITOPS_REPOSITORY", "")
    pages_at = BUILD / "docs"
    shutil.rmtree(pages_at, ignore_errors=True)
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    stage(pages_at, repository)
    file = BUILD / "zensical.toml"
    file.write_text(configuration(repository))
    zensical = Path(sys.executable).with_name("zensical")
    built = subprocess.run([zensical, "build", "--clean", "--strict", "--config-file", file], cwd=ROOT)
    sys.exit(built.returncode)


def _entry(title: str, names: list[str]) -> str:
    """A section in TOML; one that has a single page is that page."""
    if len(names) == 1:
        return f'{{"{title}" = "{names[0]}.md"}}'
    named = [f'{{"{TITLES[name]}" = "{name}.md"}}' if name in TITLES else f'"{name}.md"' for name in names]
    return f'{{"{title}" = [{", ".join(named)}]}}'


def _image(path: Path) -> str:
    return f"images/{'-'.join(part for part in path.parts if part not in ('docs', 'images', 'integrations'))}"


def _hosted(repository: str, path: Path) -> str:
    return in_repository(repository, __version__, path)


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)


if __name__ == "__main__":
    main()

"""The documentation site has every page, every public name and every command, and links that lead somewhere."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import kitops_core
from kitops_core.cli.summary import COMMANDS
from publishing.links import ROOT, in_repository, rewritten
from publishing.reference import PACKAGES, made_pages, public_names
from publishing.site import SECTIONS, TITLES, configuration, navigation, pages, stage


def test_every_page_is_in_the_navigation_once() -> None:
    listed = Counter(name for names in navigation().values() for name in names)
    assert listed == Counter([*pages(), *made_pages()])
    assert {path.stem for path in ROOT.glob("docs/*.md")} <= listed.keys()
    assert all(navigation().values())


def test_the_sections_name_pages_that_there_are() -> None:
    named = {name for names in SECTIONS.values() for name in names} | TITLES.keys()
    assert named - pages().keys() <= {"findings"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_on_a_page(package: str) -> None:
    shown = "\n".join(made_pages().values())
    names = public_names(package)
    assert [name for name in names if not re.search(rf"\b{name}\b", shown)] == []
    assert len(names) > 15


def test_the_public_names_are_those_of_the_package() -> None:
    assert public_names("kitops_core").keys() == {*kitops_core.__all__}


def test_every_command_is_on_the_page_of_help() -> None:
    text = made_pages()["reference/help"]
    assert [name for name in COMMANDS if f"\n## `kitops {name}`\n\n```text\nUsage: kitops {name} " not in text] == []
    assert "### `kitops index create`" in text


def test_exit_codes_and_variables_have_a_page() -> None:
    text = made_pages()["reference/codes"]
    assert "\n| 9 | A gate refused a promotion" in text
    assert "\n| `KITOPS_HOME` |" in text
    assert text.count("\n## ") == 1


def test_every_error_is_in_the_tree() -> None:
    text = made_pages()["reference/errors"]
    assert "\n    InvalidInputError                   3\n        InvalidReferenceError           3\n" in text


def test_pages_are_staged_with_links_that_hold_there(tmp_path: Path) -> None:
    stage(tmp_path, repository="")
    broken = {
        (page.name, link)
        for page in tmp_path.rglob("*.md")
        for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", page.read_text())
        if not (page.parent / link).exists()
    }
    assert broken == set()
    assert "](airflow.md#variants-under-one-reference)" in (tmp_path / "indexes.md").read_text()
    assert "![" in (tmp_path / "dagster.md").read_text()
    assert "(benchmarks/link_proxy.py)" in (tmp_path / "performance.md").read_text()  # a file that is no page


def test_a_link_to_a_file_that_is_no_page_leads_to_the_repository_where_there_is_one() -> None:
    text = "[bench](../benchmarks) and ![shot](images/dagster-lineage.png)\n```\n[code](untouched)\n```\n"
    file = ROOT / "docs/performance.md"
    there = rewritten(text, file, lambda path: in_repository("https://git.example.com/o/n", "1.2.0", path))
    assert "[bench](https://git.example.com/o/n/tree/v1.2.0/benchmarks)" in there
    assert "![shot](https://git.example.com/o/n/raw/v1.2.0/docs/images/dagster-lineage.png)" in there
    nowhere = rewritten(text, file, lambda path: in_repository("", "1.2.0", path))
    assert nowhere == "bench and \n```\n[code](untouched)\n```\n"


def test_a_link_to_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"docs/cli\.md: the link to gone\.md leads to nothing"):
        rewritten("[x](gone.md)", ROOT / "docs/cli.md", str)


def test_the_configuration_names_the_repository_where_there_is_one() -> None:
    assert "repo_url" not in configuration("")
    assert 'repo_url = "https://git.example.com/o/n"\n' in configuration("https://git.example.com/o/n")
    assert '{"Concepts" = "concepts.md"}' in configuration("")

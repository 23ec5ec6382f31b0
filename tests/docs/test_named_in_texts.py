"""What a text names is there: options in command lines and hints, functions in docstrings, files behind links."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kitops_core.cli.group import kitops
from kitops_core.cli.summary import COMMANDS

ROOT = Path(__file__).parents[2]
PLACES = ("kitops_core", "integrations", "docs", "deploy", "examples", "benchmarks")
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
LINE = re.compile(r"\bkitops ([a-z-]+)((?:\\\n|[^`\n|;&#)])*)")
ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?([^`]+)`")
LINK = re.compile(r"\]\(([\w./-]+)(?:#[\w-]*)?\)")


def files(*kinds: str) -> Iterator[Path]:
    yield from (path for path in ROOT.glob("*") if path.suffix in kinds)
    for place in PLACES:
        yield from (path for path in (ROOT / place).rglob("*") if path.suffix in kinds)


def options(command: str) -> set[str]:
    found = kitops.get_command(click.Context(kitops), command)
    assert found is not None
    below = found.commands.values() if isinstance(found, click.Group) else ()
    params = [param for one in (found, *below) for param in one.params]
    return {name for param in params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}


@pytest.fixture(scope="module")
def taken() -> dict[str, set[str]]:
    """The options of every command."""
    return {name: options(name) for name in COMMANDS}


def test_a_command_line_in_a_text_has_only_options_of_its_command(taken: dict[str, set[str]]) -> None:
    seen, unknown = set(), set()
    for path in files(".md", ".py", ".yaml", ".sh"):
        for command, rest in LINE.findall(path.read_text()):
            written = {(command, option) for option in OPTION.findall(rest) if command in taken}
            seen |= written
            unknown |= {(path.name, *pair) for pair in written if pair[1] not in taken[command]}
    assert unknown == set()
    assert ("promote", "--to") in seen


def test_a_command_that_a_text_names_is_there() -> None:
    named = {
        name for path in files(".md", ".py") for name in re.findall(r"[`$] ?kitops ([a-z][a-z-]*)", path.read_text())
    }
    assert named - {*COMMANDS} == set()


def test_a_hint_names_only_options_that_some_command_has(taken: dict[str, set[str]]) -> None:
    every, seen = set().union(*taken.values()), set()
    for path in (ROOT / "kitops_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                said = " ".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))
                seen |= {option for option in OPTION.findall(said) if option.startswith("--")}
    assert seen - every == set()
    assert "--sign-key" in seen


def test_a_docstring_refers_only_to_names_that_there_are() -> None:
    known, roles = {*sys.stdlib_module_names}, set()
    of_others = {"dagster", "prefect", *sys.stdlib_module_names}
    for path in files(".py"):
        text = path.read_text()
        known.update(path.relative_to(ROOT).with_suffix("").parts, re.findall(r"(?:def|class|import|as) (\w+)", text))
        known.update(re.findall(r"^ *(?:self\.)?(\w+)\b(?: = |: )", text, re.M))
        roles |= {(path.name, name) for name in ROLE.findall(text)}
    ours = {(file, name) for file, name in roles if name.partition(".")[0] not in of_others}
    assert {(file, name) for file, name in ours if name.rpartition(".")[2] not in known} == set()
    assert len(ours) > 100


def test_a_link_leads_to_a_file() -> None:
    broken = {
        (path.name, link)
        for path in files(".md")
        for link in LINK.findall(path.read_text())
        if not (path.parent / link).exists()
    }
    assert broken == set()


def test_environment_variables_and_make_targets_that_a_text_names_are_there() -> None:
    texts = "\n".join(path.read_text() for path in files(".md", ".yaml"))
    code = "\n".join(
        path.read_text()
        for place in ("kitops_core", "publishing", "tests/support")
        for path in (ROOT / place).rglob("*.py")
    )
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {*re.findall(r"\bKITOPS_[A-Z_]+", texts)} - {*re.findall(r"\bKITOPS_[A-Z_]+", code)} == set()
    assert {*re.findall(r"[`$] ?make ([a-z-]+)", texts)} - {*targets} == set()

"""Pages that are made from the code: help, errors, and every public name with its docstring."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import click

from kitops_core import errors
from kitops_core.cli.group import kitops
from publishing.links import ROOT

PACKAGES = {
    "kitops_core": ROOT / "kitops_core",
    **{
        name: ROOT / "integrations" / member / "src" / name
        for member, name in (
            ("airflow", "kitops_airflow"),
            ("prefect", "prefect_kitops"),
            ("dagster", "dagster_kitops"),
        )
    },
}
_TITLES = {"kitops_airflow": "Airflow", "prefect_kitops": "Prefect", "dagster_kitops": "Dagster"}
_CLIENT = "kitops_core.client.Client"
_WIDTH = 100
ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?(?P<path>[^`]+)`")
"""How docstrings name things."""


@cache
def made_pages() -> dict[str, str]:
    """The pages as Markdown, by name."""
    names = public_names("kitops_core")
    kinds = {name: module for name, module in names.items() if name[0].isupper() and name != "Client"}
    functions = {name: module for name, module in names.items() if name[0].islower()}
    raised = {name: module for name, module in kinds.items() if module == "kitops_core.errors"}
    pages = {
        "reference/help": _help(),
        "reference/codes": _codes(),
        "reference/errors": _errors(),
        "reference/client": f"{_shown(_CLIENT)}\n    options:\n      heading_level: 1\n",
        "reference/functions": _functions(functions),
        "reference/types": _listed("Types", "What the verbs take and give.", kinds.keys() - raised.keys(), kinds),
        "reference/schema": _schema(),
    }
    for package, title in _TITLES.items():
        exported = public_names(package)
        awaited = [name for name in exported if name[1:] in exported]
        text = (
            f"To await, the same under names of their own: {', '.join(f'`{name}`' for name in awaited)}."
            if awaited
            else ""
        )
        pages[f"reference/{package}"] = _listed(title, text, exported.keys() - {*awaited}, exported)
    return pages


def public_names(package: str) -> dict[str, str]:
    """The names that a package exports, each with the module that it is in, read without importing it."""
    root = PACKAGES[package]
    files = [root / "__init__.py", *([root / "types.py"] if package == "kitops_core" else [])]
    names = {name: module for file in files for name, module in _reexported(file, package)}
    if package == "kitops_core":
        verbs = ast.parse((root / "api.py").read_text()).body
        names |= {node.name: f"{package}.api" for node in verbs if isinstance(node, ast.FunctionDef)}
        names |= {node.targets[0].id: _CLIENT for node in verbs if _is_verb(node)}  # type: ignore[attr-defined]
        del names["_verb"]
    return names


def _reexported(file: Path, package: str) -> Iterator[tuple[str, str]]:
    """The ``from module import name as name`` of a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(package):
            yield from ((a.name, node.module) for a in node.names if a.asname == a.name and a.name != "__version__")


def _is_verb(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Assign) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_verb"


def _help() -> str:
    """The help of every command, as the command writes it."""
    parts = ["# Help of every command", "What `--help` writes; [the guide](/cli.md) says more of each command."]
    for path, command in _commands((), kitops):
        title = " ".join(("kitops", *path))
        context = click.Context(command, info_name=title, terminal_width=_WIDTH)
        parts += [f"{'##' if len(path) < 2 else '###'} `{title}`", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands((*path, name), below)


def _codes() -> str:
    """Two tables of the command's page, for who looks for nothing else."""
    text = (ROOT / "docs/cli.md").read_text()
    sections = [text.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in ("Exit codes", "Environment")]
    codes, variables = (section.strip() for section in sections)
    return f"# Exit codes and environment variables\n\n{codes}\n\n## Environment variables\n\n{variables}\n"


def _errors() -> str:
    """The tree of errors, and what each says of itself."""
    lines = [f"{'    ' * depth}{kind.__name__}{_code(kind, depth)}" for depth, kind in _tree(errors.KitOpsError, 0)]
    parts = [
        "# Errors",
        "Every error that a verb raises, with the [exit code](/cli.md#exit-codes) that the command ends with. One that "
        "is indented is also what stands above it.",
        "```text\n" + "\n".join(lines) + "\n```",
        *(_shown(f"{errors.__name__}.{kind.__name__}") for _, kind in _tree(errors.KitOpsError, 0)),
    ]
    return "\n\n".join(parts) + "\n"


def _tree(kind: type[errors.KitOpsError], depth: int) -> Iterator[tuple[int, type[errors.KitOpsError]]]:
    yield depth, kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below, depth + 1)


def _code(kind: type[errors.KitOpsError], depth: int) -> str:
    return f"{'':<{40 - len(kind.__name__) - 4 * depth}}{kind.exit_code}"


def _functions(names: dict[str, str]) -> str:
    """The functions: those that are a client's methods by their names, the others with their docstrings."""
    verbs = [name for name, module in names.items() if module == _CLIENT]
    others = [name for name in names if name not in verbs]
    rows = "\n".join(f"- [`kitops_core.{name}`][{_CLIENT}.{name}]: {_first_line(name)}" for name in verbs)
    text = (
        "Each of these is the [client](/reference/client.md)'s method of its name, over a client of its own that has "
        "the defaults and is closed again."
    )
    return f"# Functions\n\n{text}\n\n{rows}\n\n" + _members(others, names)


def _first_line(verb: str) -> str:
    from kitops_core.client import Client

    line = (inspect.getdoc(getattr(Client, verb)) or "").partition("\n")[0]
    return ROLE.sub(lambda role: f"`{role['path'].rpartition('.')[2]}`", line)


def _listed(title: str, text: str, names: Iterable[str], homes: dict[str, str]) -> str:
    return f"# {title}\n\n{text}\n\n" + _members(sorted(names), homes)


def _members(names: list[str], homes: dict[str, str]) -> str:
    return "\n\n".join(_shown(f"{homes[name]}.{name}") for name in names) + "\n"


def _shown(path: str) -> str:
    return f"::: {path}"


def _schema() -> str:
    from kitops_core.promotion.schema import schema_text

    text = textwrap.dedent(
        """
        # Schema of `promotion.yaml`

        What editors check by, as `kitops channels --schema` writes it and as [a file](/promotion.schema.json).
        [promotion.yaml](/promotion-yaml.md) says what each field and gate means.
        """
    ).lstrip()
    return f"{text}\n```json\n{schema_text()}```\n"

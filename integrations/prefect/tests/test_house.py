"""The collection stands on what the engine makes public, and on nothing else of it."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import kitops_core as kitops
import prefect_kitops

ROOT = Path(prefect_kitops.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
TWINS = sorted(name for name in prefect_kitops.__all__ if f"a{name}" in prefect_kitops.__all__)


def taken(path: Path) -> Iterator[str]:
    """What a module takes from the engine: modules it imports from, and names of the engine that it uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kitops_core":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("kitops_core."))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kitops":
            yield f"kitops_core.{node.attr}"


def is_public(name: str) -> bool:
    home, _, last = name.rpartition(".")
    if home == "kitops_core":
        return last in kitops.__all__ or last in ("__version__", "orchestrate")
    return home.startswith("kitops_core.orchestrate.") and not last.startswith("_")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_public_names_of_the_engine_are_used(path: Path) -> None:
    assert [name for name in taken(path) if not is_public(name)] == []


def test_what_is_taken_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "def f():\n    from kitops_core.kits.pack import pack\n    import kitops_core.oci\n    kitops.Nothing\n"
    )
    assert [name for name in taken(file) if not is_public(name)] == [*taken(file)]
    assert len([*taken(file)]) == 3


@pytest.mark.parametrize("name", TWINS)
def test_a_task_and_its_twin_have_the_same_parameters_types_and_docstring(name: str) -> None:
    here, beside = getattr(prefect_kitops, name), getattr(prefect_kitops, f"a{name}")
    assert inspect.signature(here.fn) == inspect.signature(beside.fn)
    assert inspect.getdoc(here.fn) == inspect.getdoc(beside.fn)
    assert here.description == beside.description
    assert inspect.iscoroutinefunction(beside.fn)
    assert not inspect.iscoroutinefunction(here.fn)
    assert (here.fn.__name__, beside.fn.__name__) == (name, f"a{name}")
    assert here.name == beside.name == name.replace("_", "-")


@pytest.mark.parametrize("name", [name for name in prefect_kitops.__all__ if "modelkit" in name])
def test_the_annotations_of_what_users_call_can_be_read(name: str) -> None:
    called = getattr(prefect_kitops, name)
    assert typing.get_type_hints(getattr(called, "fn", called))


@pytest.mark.parametrize("name", [*TWINS, "modelkit_promotion"])
def test_what_prefects_pages_say_is_markdown_without_arguments(name: str) -> None:
    description = getattr(prefect_kitops, name).description
    assert description.endswith(".")
    assert not re.search(r"``|:\w+:`|^(Args|Raises|Returns):|^ {4}", description, re.MULTILINE)

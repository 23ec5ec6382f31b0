"""The shape of the core: what may import what. Imports inside functions and for type checkers count like all others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import kitops_core

ROOT = Path(kitops_core.__file__).parent
TESTS = Path(__file__).parent
INTEGRATIONS = {path.parent.parent.name: path for path in (ROOT.parent / "integrations").glob("*/src/*")}
MAX_LINES = 400
ORDER = (
    *("errors", "lanes", "events", "version", "reference", "record", "wording", "parallel", "by_identity", "staged"),
    *(
        "oci",
        "machine",
        "files",
        "objects",
        "kitfile",
        "layers",
        "storage",
        "registries",
        "signing",
        "found",
        "session",
    ),
    *("evidence", "openlineage", "sources", "kits", "indexes", "sbom", "lineages", "promotion"),
    *("catalogs", "importing", "serving", "orchestrate"),
    *("types", "client", "api", "", "cli"),
)
"""The core's packages, the lowest first: each imports only what stands before it. ``""`` is the core itself."""
ORCHESTRATORS = {"airflow", "prefect", "dagster", "kitops_airflow", "prefect_kitops", "dagster_kitops"}


def modules(root: Path) -> dict[str, Path]:
    """Dotted names of all modules below ``root``, a package's own module by the package's name."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, as far as one can tell without running it; ours are all absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph(root: Path) -> dict[str, set[str]]:
    """Each module to the modules of ours that it imports."""
    known = modules(root)
    return {
        name: {target for dotted in imported(path) if (target := _module(dotted, known)) is not None}
        for name, path in known.items()
    }


def _module(dotted: str, known: Mapping[str, Path]) -> str | None:
    """The module a dotted name is or is in: ``a.b.Name`` is in ``a.b``."""
    return dotted if dotted in known else next((n for n in (dotted.rpartition(".")[0],) if n in known), None)


def going_round(edges: Mapping[str, set[str]]) -> list[str]:
    """The modules in circles, found by taking away what imports nothing that is left, until nothing more goes."""
    left = {name: set(targets) for name, targets in edges.items()}
    while done := {name for name, targets in left.items() if not targets & left.keys()}:
        for name in done:
            del left[name]
    # What only leads into a circle is taken away as well, from the other side.
    while done := left.keys() - set().union(*(left[name] for name in left)):
        for name in done:
            del left[name]
    return sorted(left)


def arrows_up(edges: Mapping[str, set[str]], order: tuple[str, ...]) -> list[str]:
    """The imports of a package by one that stands below it."""
    places = {package: place for place, package in enumerate(order)}
    return sorted(
        f"{name} -> {target}"
        for name, targets in edges.items()
        for target in targets
        if places[_package(name)] < places[_package(target)]
    )


def _package(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert going_round(graph(ROOT)) == []


def test_every_package_has_a_place_and_none_imports_one_above_it() -> None:
    edges = graph(ROOT)
    assert {_package(name) for name in edges} - set(ORDER) == set()
    assert arrows_up(edges, ORDER) == []


def test_the_guide_says_what_every_package_holds() -> None:
    guide = (ROOT.parent / "CONTRIBUTING.md").read_text()
    places = (f"{package}{'/' if (ROOT / package).is_dir() else '.py'}`" for package in ORDER if package)
    assert [place for place in places if place not in guide] == []


def test_no_module_has_more_than_400_lines() -> None:
    sizes = {name: len(path.read_text().splitlines()) for name, path in modules(ROOT).items()}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


def test_the_core_knows_no_orchestrator() -> None:
    found = {name: {dotted.partition(".")[0] for dotted in imported(path)} for name, path in modules(ROOT).items()}
    assert {name: roots & ORCHESTRATORS for name, roots in found.items() if roots & ORCHESTRATORS} == {}


def test_the_tests_stand_in_folders_that_mirror_the_package() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    of_others = {Path("bench"), Path("docs")}
    assert [folder for folder in folders - of_others if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("integration", ["airflow", "prefect", "dagster"])
def test_an_integration_stands_on_public_names_only(integration: str) -> None:
    paths = INTEGRATIONS[integration].rglob("*.py")
    assert {path.name: hidden for path in paths if (hidden := _hidden(path))} == {}


def _hidden(path: Path) -> set[str]:
    """What a file takes from the core that is neither public nor one of the things that the integrations share."""
    code = ast.parse(path.read_text())
    used = (node for node in ast.walk(code) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    taken = {*imported(path), *(f"kitops_core.{node.attr}" for node in used if node.value.id == "kitops")}
    public = {"kitops_core", *(f"kitops_core.{name}" for name in (*kitops_core.__all__, "__version__"))}
    ours = {name for name in taken if name.partition(".")[0] == "kitops_core"} - public
    return {name for name in ours if not name.startswith("kitops_core.orchestrate.") or "._" in name}


class TestTheseTestsThemselves:
    def test_what_is_not_public_is_seen_wherever_it_is_taken(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        lines = (
            "import kitops_core as kitops",
            "from kitops_core import Client, nothing",
            "from kitops_core.orchestrate.names import _x, tag_of",
            "def f():",
            "    import kitops_core.oci",
            "    from kitops_core.kits.pack import pack",
            "    kitops.Nothing, kitops.Packing",
        )
        file.write_text("\n".join(lines))
        kinds = ("Nothing", "kits.pack.pack", "nothing", "oci", "orchestrate.names._x")
        assert sorted(_hidden(file)) == [f"kitops_core.{name}" for name in kinds]

    def test_a_circle_is_seen_wherever_its_imports_stand(self, tmp_path: Path) -> None:
        package = tmp_path / "house"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "a.py").write_text("def f():\n    from house import b\n")
        (package / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.c\n")
        (package / "c.py").write_text("from house.a import f\n")
        (package / "above.py").write_text("from house.a import f\nfrom house.below import g\n")
        (package / "below.py").write_text("import json\n\ndef g(): ...\n")
        edges = graph(package)
        assert going_round(edges) == ["house.a", "house.b", "house.c"]
        assert arrows_up(edges, ("", "below", "c", "b", "a", "above")) == ["house.c -> house.a"]

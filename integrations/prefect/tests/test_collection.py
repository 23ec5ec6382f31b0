"""The distribution is a collection that Prefect finds, and costs nothing to import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import prefect_kitops


def test_prefect_loads_the_collection() -> None:
    from prefect.plugins import load_prefect_collections

    assert load_prefect_collections()["prefect_kitops"] is prefect_kitops
    assert prefect_kitops.__version__ == version("prefect-kitops")


def test_the_collection_is_declared_as_an_entry_point() -> None:
    assert [entry.value for entry in entry_points(group="prefect.collections", name="prefect_kitops")] == [
        "prefect_kitops"
    ]


def test_importing_the_collection_imports_no_engine_and_no_task() -> None:
    code = (
        "import sys, prefect.blocks.abstract; before = set(sys.modules); import prefect_kitops;"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith(('kitops_core', 'prefect'))))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(["prefect_kitops", "prefect_kitops.registry", "prefect_kitops.repository"])


def test_blocks_are_found_in_the_module_that_prefect_registers() -> None:
    from prefect.blocks.core import Block

    found = {
        name for name, value in vars(prefect_kitops).items() if isinstance(value, type) and issubclass(value, Block)
    }
    assert found == {"OCIRegistry", "ModelKitRepository"}


def test_every_name_of_the_collection_is_there() -> None:
    for name in prefect_kitops.__all__:
        assert getattr(prefect_kitops, name) is not None

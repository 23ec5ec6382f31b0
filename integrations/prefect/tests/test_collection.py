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


def test_importing_the_collection_imports_neither_prefect_nor_the_engine() -> None:
    code = (
        "import sys, prefect_kitops;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'prefect', 'kitops_core', 'pydantic'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"

"""The distribution is a provider that Airflow finds, and costs nothing to look at."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

from kitops_airflow import __version__


def test_airflow_finds_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager

    provider = ProvidersManager().providers["airflow-provider-kitops"]
    assert provider.version == __version__ == version("airflow-provider-kitops")
    assert provider.data["name"] == "KitOps"


def test_the_description_is_reached_through_its_entry_point() -> None:
    (found,) = (
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.dist is not None and entry.dist.name == "airflow-provider-kitops"
    )
    assert found.load()()["package-name"] == "airflow-provider-kitops"


def test_describing_the_provider_imports_neither_airflow_nor_the_engine() -> None:
    code = (
        "import sys; from kitops_airflow.get_provider_info import get_provider_info; get_provider_info();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'airflow', 'kitops_core', 'pydantic'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"

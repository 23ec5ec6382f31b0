"""What Airflow's provider registry shows of this distribution."""

from __future__ import annotations

from typing import Any

from kitops_airflow import __version__


def get_provider_info() -> dict[str, Any]:
    """The description that the ``apache_airflow_provider`` entry point hands to Airflow.

    Returns:
        A dictionary that follows Airflow's ``provider_info.schema.json``.
    """
    return {
        "package-name": "airflow-provider-kitops",
        "name": "KitOps",
        "description": "Pack, push, pull, unpack and compare KitOps ModelKits in any OCI registry.",
        "versions": [__version__],
    }

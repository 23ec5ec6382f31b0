"""What Airflow's provider registry shows of this distribution; it imports nothing."""

from __future__ import annotations

from typing import Any

from kitops_airflow import __version__
from kitops_airflow.connection_form import CONN_FIELDS, FIELD_BEHAVIOUR

_NAME = "KitOps"
_OCI = {
    "schemes": ["oci"],
    "handler": None,  # the oci assets of others stay as they are; Airflow wants the key all the same
    "factory": "kitops_airflow.assets.create_asset",
    "to_openlineage_converter": "kitops_airflow.openlineage.convert_asset_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:
    """The description that the ``apache_airflow_provider`` entry point hands to Airflow.

    Returns:
        A dictionary that follows Airflow's ``provider_info.schema.json``. ``dataset-uris`` is what Airflow 2 reads.
    """
    return {
        "package-name": "airflow-provider-kitops",
        "name": _NAME,
        "description": "KitOps ModelKits as assets: packed, awaited, verified and promoted in any OCI registry.",
        "versions": [__version__],
        "integrations": [{"integration-name": _NAME, "external-doc-url": "https://kitops.org", "tags": ["service"]}],
        "connection-types": [
            {
                "connection-type": "kitops",
                "hook-class-name": "kitops_airflow.hooks.kitops.KitOpsHook",
                "hook-name": "KitOps (OCI registry)",
                "conn-fields": CONN_FIELDS,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
            }
        ],
        "filesystems": ["kitops_airflow.fs"],
        "asset-uris": [_OCI],
        "dataset-uris": [_OCI],
        "task-decorators": [
            {"name": "kitops_pack", "class-name": "kitops_airflow.decorators.pack.kitops_pack_task"},
            {"name": "kitops_pull", "class-name": "kitops_airflow.decorators.pull.kitops_pull_task"},
        ],
        "extra-links": ["kitops_airflow.links.ModelKitLink"],
        "notifications": ["kitops_airflow.notifications.ModelKitNotifier"],
        "triggers": [_modules("kitops_airflow.triggers.tag")],
        "sensors": [_modules("kitops_airflow.sensors.tag")],
        "hooks": [_modules("kitops_airflow.hooks.kitops")],
        "operators": [
            _modules(
                "kitops_airflow.operators.pack",
                "kitops_airflow.operators.parts",
                "kitops_airflow.operators.imports",
                "kitops_airflow.operators.indexes",
                "kitops_airflow.operators.pull",
                "kitops_airflow.operators.inspect",
                "kitops_airflow.operators.sign",
                "kitops_airflow.operators.verify",
                "kitops_airflow.operators.promote",
                "kitops_airflow.operators.promote_all",
            )
        ],
        "config": {
            "kitops": {
                "description": "Options of the KitOps provider.",
                "options": {
                    # Airflow 2 fills in braces of defaults and descriptions itself, so there are none.
                    "kit_url": _option(
                        "Where a task's link leads: a URL with the names registry, repository and digest in braces. "
                        "By default to the kit's page at a registry that has pages, elsewhere to the list of tags.",
                        "string",
                        None,
                    ),
                    "poll_interval": _option(
                        "Seconds between two looks at a tag, of triggers that are not told otherwise.", "float", "60"
                    ),
                    "policy": _option(
                        "The file of the promotion policy, where an operator names none.",
                        "string",
                        "promotion.yaml",
                    ),
                },
            }
        },
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": list(names)}


def _option(description: str, kind: str, default: str | None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": None,
        "default": default,
    }

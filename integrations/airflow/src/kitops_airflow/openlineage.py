"""Kits in the events of Airflow's OpenLineage provider, called as the engine calls them everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kitops_airflow.uris import reference_of
from kitops_core import Operation

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset


def provider_tells() -> bool:
    """Whether Airflow's OpenLineage provider tells of tasks; then the engine does not tell the same once more."""
    try:
        from airflow.providers.openlineage.conf import is_disabled
    except ImportError:
        return False
    return not is_disabled()


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """Airflow's converter of ``oci`` assets.

    Args:
        asset: The asset; its ``extra`` may name the digest.
        lineage_context: What the asset was used by.
    """
    from kitops_core.orchestrate.openlineage import kit_dataset

    reference = reference_of(asset)
    digest = str((asset.extra or {}).get("digest") or "")
    return kit_dataset(f"{reference.name}@{digest}" if digest else reference.name)


def operator_lineage(operations: Sequence[Operation], read: Iterable[str]) -> Any:
    """What an operator made and read, as ``OperatorLineage``.

    Args:
        operations: What the engine told of the operator's work.
        read: References of kits that it read, pinned to their digests.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    from kitops_core.orchestrate.openlineage import task_lineage

    found = task_lineage(operations, read)
    return OperatorLineage(inputs=found.inputs, outputs=found.outputs, run_facets=found.run_facets)

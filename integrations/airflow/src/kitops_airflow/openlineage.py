"""Kits as OpenLineage datasets: namespace ``oci://registry``, name the repository, version the digest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kitops_core import parse_reference

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """Airflow's converter of ``oci`` assets.

    Args:
        asset: The asset; its ``extra`` may name the digest.
        lineage_context: What the asset was used by.
    """
    parts = urlsplit(asset.uri)
    return _dataset(f"oci://{parts.netloc}", parts.path.strip("/"), str((asset.extra or {}).get("digest") or ""))


def operator_lineage(inputs: Iterable[str], outputs: Iterable[str]) -> Any:
    """What an operator read and wrote, as ``OperatorLineage``.

    Args:
        inputs: References of kits, pinned to their digests.
        outputs: References of kits, pinned to their digests.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=[_of(text) for text in inputs], outputs=[_of(text) for text in outputs])


def _of(text: str) -> Any:
    reference = parse_reference(text)
    return _dataset(f"oci://{reference.registry.lower()}", reference.repository, reference.digest)


def _dataset(namespace: str, name: str, digest: str) -> Any:
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

    facets: dict[str, Any] = {"version": DatasetVersionDatasetFacet(datasetVersion=digest)} if digest else {}
    return Dataset(namespace=namespace, name=name, facets=facets)

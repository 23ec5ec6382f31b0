"""What Dagster's pages show of a kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dagster_kitops.versioning import DIGEST_KEY
from kitops_core.record import ModelKitRecord
from kitops_core.reference import parse_reference

_LAYER_COLUMNS = {"section": "string", "path": "string", "size": "int", "digest": "string", "outcome": "string"}


def kit_metadata(record: ModelKitRecord, kitfile: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The metadata of a materialization.

    Args:
        record: What the engine packed.
        kitfile: The Kitfile as YAML.
        metrics: Metrics, each of which becomes a number that Dagster draws over time.
    """
    pinned = parse_reference(record.reference)
    return {
        "dagster/uri": f"oci://{pinned.name}@{record.digest}",
        DIGEST_KEY: record.digest,
        "kitops/reference": record.reference,
        "kitops/tags": dg.MetadataValue.json(list(record.tags)),
        "kitops/size_bytes": record.size,
        "kitops/changed": record.changed,
        "kitops/kitfile": dg.MetadataValue.md(f"```yaml\n{kitfile}```"),
        "kitops/layers": _layer_table(record),
        "kitops/record": dg.MetadataValue.json(record.to_dict()),
        **{f"kitops/metric/{name}": value for name, value in metrics.items()},
    }


def _layer_table(record: ModelKitRecord) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({name: getattr(layer, name) for name in _LAYER_COLUMNS}) for layer in record.layers],
        schema=dg.TableSchema([dg.TableColumn(name, type_) for name, type_ in _LAYER_COLUMNS.items()]),
    )

"""Which kit a materialization is of, and what it holds. It needs no Dagster, so that Pipes can use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kitops_core import Kitfile, ModelKitRecord, parse_reference
from kitops_core.orchestrate.metadata import NOT_FINITE

DIGEST_KEY = "kitops/digest"
"""The metadata key that carries a kit's digest."""

REFERENCE_KEY = "kitops/reference"
"""The metadata key that carries a kit's full reference; in an asset's definition, the kit that it stands for."""

METRIC = "kitops/metric/"
"""The metadata keys of what was measured begin so."""

VERDICTS_KEY = "kitops/verdicts"
"""The metadata key of a check that looked at several kits: by digest, whether it passed."""


def identity(reference: str, digest: str) -> dict[str, str]:
    """Which kit it is, and nothing else."""
    named = parse_reference(reference)
    return {"dagster/uri": f"oci://{named.name}@{digest}", DIGEST_KEY: digest, REFERENCE_KEY: reference}


LAYER_COLUMNS = {"section": "string", "path": "string", "size": "int", "outcome": "string", "digest": "string"}
"""The columns of the table of layers, and their types."""


def layer_rows(record: ModelKitRecord) -> list[dict[str, Any]]:
    """The rows of the table of layers."""
    return [{name: getattr(layer, name) for name in LAYER_COLUMNS} for layer in record.layers]


def metrics_of(kitfile: Kitfile) -> dict[str, float | str]:
    """The metadata of a model's metrics: numbers, and the names of those that are not finite."""
    metrics = (kitfile.model.parameters or {}).get("metrics", {}) if kitfile.model is not None else {}
    if not isinstance(metrics, Mapping):
        return {}
    known = {name: value for name, value in metrics.items() if type(value) in (int, float) or value in NOT_FINITE}
    return {f"{METRIC}{name}": value for name, value in known.items()}


def kitfile_text(kitfile: Kitfile) -> str:
    """A Kitfile as Markdown."""
    return f"```yaml\n{kitfile.to_yaml()}```"


def unpack_command(record: ModelKitRecord) -> str:
    """The command that unpacks this very kit."""
    named = parse_reference(record.reference)
    return f"kitops unpack {named.with_digest(record.digest)} --dir {named.repository.rpartition('/')[2]}"

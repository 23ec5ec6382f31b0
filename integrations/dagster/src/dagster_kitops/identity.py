"""The metadata that says which kit a materialization is of. It needs no Dagster, so that Pipes can use it."""

from __future__ import annotations

from kitops_core.reference import parse_reference

DIGEST_KEY = "kitops/digest"
"""The metadata key that carries a kit's digest."""

REFERENCE_KEY = "kitops/reference"
"""The metadata key that carries a kit's full reference; in an asset's definition, the kit that it stands for."""


def identity(reference: str, digest: str) -> dict[str, str]:
    """Which kit it is, and nothing else."""
    named = parse_reference(reference)
    return {"dagster/uri": f"oci://{named.name}@{digest}", DIGEST_KEY: digest, REFERENCE_KEY: reference}

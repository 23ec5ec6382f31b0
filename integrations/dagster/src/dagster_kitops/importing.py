"""A model of the Hugging Face Hub, or of MLflow, as an asset: materializing it imports it."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.hints import hints_logged
from dagster_kitops.metadata import changes_between, kit_metadata
from dagster_kitops.options import check_asset
from dagster_kitops.promotion import run_source
from dagster_kitops.resources import KitOpsResource
from kitops_core.orchestrate.names import repository_of

ORIGIN_KEY = "kitops/origin"
"""The metadata key that says what was imported, pinned: ``hf://organisation/model@commit``."""


def imported_modelkit(
    key: dg.AssetKey | Sequence[str] | str,
    source: str,
    *,
    ref: str = "",
    repository: str = "",
    tags: Sequence[str] = ("latest",),
    kitfile: str | Path | None = None,
    signer: str = "",
    io_manager_key: str = "modelkit",
    kitops_key: str = KITOPS_KEY,
    **options: Any,
) -> dg.AssetsDefinition:
    """An asset for what another system has. Materializing it imports that as a kit, and only what changed is fetched.

    Its data version is the kit's digest: while the source is the same, nothing downstream is stale.

    Args:
        key: The asset's key.
        source: ``organisation/model``, ``datasets/organisation/name`` or ``mlflow://…``; see
            :func:`kitops_core.import_kit`. A token for the Hub comes from ``HF_TOKEN``.
        ref: A branch, tag or commit of the Hub's repository.
        repository: The repository below the registry; by default from the key.
        tags: The kit's tags, at least one.
        kitfile: A Kitfile to use instead of one made from the source.
        signer: The private key that signs the kit and its provenance: a file or ``env://NAME``.
        io_manager_key: The IO manager that hands the kit to assets downstream.
        kitops_key: The resource key of the KitOpsResource.
        **options: What else :func:`dagster.asset` takes: ``automation_condition``, ``owners``, ``group_name`` ...
    """
    as_asset: Any = dg.asset(
        key=key if isinstance(key, (dg.AssetKey, str)) else list(key),
        io_manager_key=io_manager_key,
        required_resource_keys={kitops_key},
        kinds={"kitops", *options.pop("kinds", ())},
        description=options.pop("description", f"{source}, imported"),
        code_version=options.pop("code_version", f"{source} {ref}".strip()),
        **options,
    )

    def imported(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            first, *more = tags
            record = client.import_kit(
                source,
                resource.reference(repository or repository_of(context.asset_key.path), tag=first),
                push=resource.remote,
                tags=more,
                ref=ref,
                kitfile=kitfile,
            )
        context.log.info(f"{record.reference} is {record.origin}" + ("" if record.changed else ", as before"))
        pinned = f"{record.reference}@{record.digest}"
        where = resource.where(pinned)
        with resource.client() as reader, reader.open(pinned, where=where) as kit:
            before = f"{record.reference}@{record.previous_digest}" if record.changed and record.previous_digest else ""
            changes = changes_between(reader, before, pinned, where=where) if before else None
            metadata = kit_metadata(record, kit.kitfile, changes, resource.browse_url)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(record.digest), metadata={**metadata, ORIGIN_KEY: record.origin}
        )

    made: dg.AssetsDefinition = as_asset(imported)
    return check_asset(made)

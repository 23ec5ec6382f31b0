"""For a process that Dagster started with Pipes: say which kit it packed. Importing this imports no Dagster."""

from __future__ import annotations

from typing import Any

from dagster_pipes import PipesContext

import kitops_core as kitops
from dagster_kitops.identity import LAYER_COLUMNS, identity, kitfile_text, layer_rows, metrics_of, unpack_command


def report_modelkit(
    pipes: PipesContext,
    kit: kitops.ModelKitRecord,
    *,
    asset_key: str | None = None,
    client: kitops.Client | None = None,
) -> None:
    """Report a kit as the materialization of an asset, its digest as the data version.

    Assets downstream load it as if an IO manager had packed it.

    Args:
        pipes: What ``open_dagster_pipes()`` gave.
        kit: What :func:`kitops_core.pack` or another verb gave.
        asset_key: The asset, where the process makes several.
        client: The client that packed it, where that was not the default one; its Kitfile is read with it.
    """
    columns = [{"name": name, "type": type_} for name, type_ in LAYER_COLUMNS.items()]
    metadata: dict[str, Any] = {
        **identity(kit.reference, kit.digest),
        "kitops/tags": {"raw_value": list(kit.tags), "type": "json"},
        "kitops/size_bytes": kit.size,
        "kitops/sent_bytes": kit.sent,
        "kitops/changed": kit.changed,
        "kitops/layers": {"raw_value": {"records": layer_rows(kit), "schema": columns}, "type": "table"},
        "kitops/unpack_command": unpack_command(kit),
        "kitops/record": {"raw_value": kit.to_dict(), "type": "json"},
    }
    kitfile = _kitfile(pipes, kit, client)
    if kitfile is not None:
        metadata |= metrics_of(kitfile)
        metadata["kitops/kitfile"] = {"raw_value": kitfile_text(kitfile), "type": "md"}
    if kit.parents:
        metadata["kitops/parents"] = {"raw_value": list(kit.parents), "type": "json"}
    pipes.report_asset_materialization(asset_key=asset_key, metadata=metadata, data_version=kit.digest)


def _kitfile(pipes: PipesContext, kit: kitops.ModelKitRecord, client: kitops.Client | None) -> kitops.Kitfile | None:
    pinned = str(kitops.parse_reference(kit.reference).with_digest(kit.digest))
    try:
        with client.open(pinned) if client is not None else kitops.open(pinned) as opened:
            return opened.kitfile
    except kitops.KitOpsError as error:  # the kit is there: it is reported all the same
        pipes.log.warning(f"the metadata lacks the Kitfile, which could not be read back: {error.message}")
        return None

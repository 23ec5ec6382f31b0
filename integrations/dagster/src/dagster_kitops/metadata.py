"""What Dagster's pages show of a kit."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import dagster as dg

import kitops_core as kitops
from dagster_kitops.identity import LAYER_COLUMNS, identity, kitfile_text, layer_rows, metrics_of, unpack_command
from kitops_core import IntegrityError, ModelKitRecord, NotFoundError, parse_reference
from kitops_core.orchestrate.metadata import record_metadata

VARIANTS_KEY = "kitops/variants"
"""The metadata key of the table of an index's variants."""


def kit_metadata(
    record: ModelKitRecord, kitfile: kitops.Kitfile | None, changes: kitops.KitDiff | None = None, browse_url: str = ""
) -> dict[str, Any]:
    """The metadata of a materialization.

    Args:
        record: What the engine packed or found.
        kitfile: Its Kitfile, where it could be read. Each of the model's metrics becomes a number that Dagster draws
            over time. They are what the Kitfile says, and nobody vouches for them: gates read signed statements.
        changes: What moved since the kit that had the tag before.
        browse_url: Where the registry's pages show a kit, with ``{repository}`` and ``{digest}``.
    """
    named = parse_reference(record.reference)
    found: dict[str, Any] = identity(record.reference, record.digest)
    if browse_url:
        url = browse_url.replace("{repository}", quote(named.repository)).replace("{digest}", record.digest)
        found["kitops/url"] = dg.MetadataValue.url(url)
    found |= {
        "kitops/tags": dg.MetadataValue.json(list(record.tags)),
        "kitops/size_bytes": record.size,
        "kitops/sent_bytes": record.sent,
        "kitops/changed": record.changed,
    }
    if kitfile is not None:
        found |= metrics_of(kitfile)
    found["kitops/layers"] = _layer_table(record)
    if changes is not None:
        found["kitops/changes"] = _change_table(changes)
    if record.parents:
        found["kitops/parents"] = dg.MetadataValue.json(list(record.parents))
    found["kitops/unpack_command"] = unpack_command(record)
    if kitfile is not None:
        found["kitops/kitfile"] = dg.MetadataValue.md(kitfile_text(kitfile))
    found["kitops/record"] = dg.MetadataValue.json(record_metadata(record))
    return found


def index_metadata(record: ModelKitRecord, browse_url: str = "") -> dict[str, Any]:
    """The metadata of a materialization that is an index: with its variants, and without files of its own."""
    found = kit_metadata(record, None, None, browse_url)
    del found["kitops/layers"], found["kitops/unpack_command"]
    rows = [
        dg.TableRecord(
            {"tag": one.tag, "labels": json.dumps(dict(one.labels), ensure_ascii=False), "digest": one.digest}
        )
        for one in record.variants or ()
    ]
    columns = [dg.TableColumn(name, "string") for name in ("tag", "labels", "digest")]
    return {**found, VARIANTS_KEY: dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))}


def changes_between(client: kitops.Client, before: str, after: str, *, where: kitops.Where) -> kitops.KitDiff | None:
    """What moved between two kits; ``None`` where the first is not there any more, or is no kit."""
    try:
        return client.diff(before, after, where=where)
    except (NotFoundError, IntegrityError):
        return None


def _layer_table(record: ModelKitRecord) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in layer_rows(record)],
        schema=dg.TableSchema([dg.TableColumn(name, type_) for name, type_ in LAYER_COLUMNS.items()]),
    )


def _change_table(changes: kitops.KitDiff) -> dg.TableMetadataValue:
    rows = [
        *(
            (f"{layer.section} {layer.path}", f"{layer.before} bytes", f"{layer.after} bytes")
            for layer in changes.layers
        ),
        *((field.field, _text(field.before), _text(field.after)) for field in changes.fields),
    ]
    columns = ("what", "before", "after")
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name, "string") for name in columns]),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)

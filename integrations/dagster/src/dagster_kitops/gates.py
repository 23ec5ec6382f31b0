"""What a promotion's gates said, as Dagster's pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

import kitops_core as kitops
from dagster_kitops.identity import identity
from kitops_core import parse_reference
from kitops_core.orchestrate.metadata import promotion_metadata as promotion_json


def gate_table(gates: Sequence[kitops.GateResult]) -> dg.TableMetadataValue:
    """A row for each gate."""
    columns = {"gate": "string", "passed": "bool", "found": "string"}
    return dg.MetadataValue.table(
        [dg.TableRecord({"gate": gate.name, "passed": gate.passed, "found": gate.detail}) for gate in gates],
        schema=dg.TableSchema([dg.TableColumn(name, type_) for name, type_ in columns.items()]),
    )


def promotion_metadata(promotion: kitops.Promotion) -> dict[str, Any]:
    """The metadata of a channel's materialization: which kit it has, and how it came there."""
    named = parse_reference(promotion.reference)
    reference = str(named.with_tag(named.tag) if named.tag else named)
    found: dict[str, Any] = {
        **identity(reference, promotion.digest),
        "kitops/channel": promotion.channel,
        "kitops/action": promotion.action,
        "kitops/changed": promotion.changed,
        "kitops/gates": gate_table(promotion.gates),
        "kitops/promotion": dg.MetadataValue.json(promotion_json(promotion)),
    }
    if promotion.previous_digest:
        found["kitops/previous_digest"] = promotion.previous_digest
    return found

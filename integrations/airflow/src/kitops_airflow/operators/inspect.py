"""The operator that looks at a kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kitops_airflow.operators.base import KitReader
from kitops_core.orchestrate.metadata import record_metadata


class KitInspectOperator(KitReader):
    """Read what a kit is, without reading its layers.

    Args:
        reference: The kit: ``registry/repository:tag`` or ``@digest``.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.

    Returns:
        The kit's record, with its Kitfile under ``kitfile``.
    """

    template_fields: Sequence[str] = ("reference",)

    def run(self, context: Any) -> dict[str, Any]:
        """Look, and return the record."""
        with self.open_kit(context) as kit:
            kitfile = kit.kitfile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            return {**record_metadata(kit.record()), "kitfile": kitfile}

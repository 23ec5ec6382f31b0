"""The operator that pulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import kitops_core as kitops
from kitops_airflow.operators.base import KitReader, listed
from kitops_core import InvalidInputError
from kitops_core.orchestrate.metadata import record_metadata


class KitPullOperator(KitReader):
    """Unpack a kit, or the parts of it that ``only`` names, from its registry into a directory.

    Nothing appears in the directory before every digest was checked, and nothing is kept in the local store. A tag is
    resolved once.

    Args:
        reference: The kit: ``registry/repository:tag`` or ``@digest``.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.
        directory: Where to.
        only: Filters: ``model``, ``datasets:eval``; by default everything.
        existing: What becomes of files that are in the way: ``refuse``, ``overwrite`` or ``ignore``.

    Returns:
        The kit's record, with ``directory`` and ``files``.
    """

    template_fields: Sequence[str] = ("reference", "directory", "only")
    template_fields_renderers: ClassVar[dict[str, str]] = {"only": "json"}

    def __init__(
        self,
        *,
        directory: str = "",
        only: str | Sequence[str] = (),
        existing: kitops.Existing = "refuse",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.directory = directory
        self.only = only
        self.existing = existing

    def run(self, context: Any) -> dict[str, Any]:
        """Unpack, and return the record."""
        if not self.directory:
            raise InvalidInputError(f"{self.task_id}: no directory says where to unpack to", hint="pass directory=")
        with self.open_kit(context) as kit:
            unpacked = kit.unpack(self.directory, only=listed(self.only), existing=self.existing)
            return {**record_metadata(kit.record()), "directory": unpacked.directory, "files": unpacked.files}

"""The operator that signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kitops_airflow.operators.base import KitReader
from kitops_core import parse_reference


class KitSignOperator(KitReader):
    """Sign a kit's digest in its registry, as cosign does; the digest does not change.

    A kit that was packed with a ``signer`` is signed already: this is for kits that others packed.

    Args:
        reference: The kit: ``registry/repository:tag`` or ``@digest``.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.
        signer: The private key: a path on the worker, or ``env://NAME``; never the key itself. By default what the
            connection says.

    Returns:
        What was signed: ``digest``, ``reference`` pinned to it, and ``signature``, the digest of the signature.
    """

    template_fields: Sequence[str] = ("reference", "signer")

    def __init__(self, *, signer: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signer = signer

    def run(self, context: Any) -> dict[str, Any]:
        """Sign, and return what was signed."""
        with self.open_kit(context) as kit:
            attached = self.hook(context).get_conn().sign(kit.reference, where="registry")
            pinned = parse_reference(kit.reference).with_digest(kit.digest)
        return {
            "digest": kit.digest,
            "reference": str(pinned),
            "registry": pinned.registry,
            "repository": pinned.repository,
            "signature": attached.digest,
        }

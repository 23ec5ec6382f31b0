"""The front door: one client, which knows where kits are and how to get there, and whose methods are the verbs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from kitops_core import types
from kitops_core.client.catalog import CatalogVerbs
from kitops_core.client.evidence import EvidenceVerbs
from kitops_core.client.indexes import IndexVerbs
from kitops_core.client.kits import KitVerbs
from kitops_core.client.packing import PackingVerbs
from kitops_core.client.promotion import PromotionVerbs
from kitops_core.client.registries import RegistryVerbs
from kitops_core.client.serving import ServingVerbs
from kitops_core.session import Session


class Client(
    PackingVerbs, KitVerbs, IndexVerbs, EvidenceVerbs, PromotionVerbs, CatalogVerbs, ServingVerbs, RegistryVerbs
):
    """Packs, moves, reads, signs and promotes kits. Thread-safe; a context manager that closes its connections.

    A client opens each repository once and keeps its connections and tokens until it is closed.

    Methods that look for a kit take ``where``: ``registry`` looks in the registry, ``store`` in the local store. With
    ``any``, what reads a kit (open, unpack, diff, resolve, copy, image, materialize) looks in the local store first, as
    the reference CLI does. What is hung on a digest or decided by what hangs there (sign, attest, attach, verify,
    referrers, metrics, bom, lineage) looks in the registry where the name has one. A tag is resolved once.

    Args:
        store: The local store's directory, where it is not the default.
        registries: How to talk to which registry; by default as credential files and the environment say.
        signer: The private key, or where to load it from when it is first needed (see :meth:`SigningKey.load`). It
            signs kits that are packed, what is said about them, and the records of promotions.
        run: The pipeline run that works, and who started it, for records and provenance.
        on_event: Called with progress.
        cancel: A switch that stops what is under way.
        on_lineage: Called with what verbs make and of what, when they begin and when they end, instead of sending that
            as OpenLineage's configuration says.

    Example:
        >>> client = Client(store="/tmp/kits")
        >>> client.list_kits()
        []
    """

    def __init__(
        self,
        *,
        store: str | os.PathLike[str] | None = None,
        registries: types.Registries | None = None,
        signer: types.SigningKey | str | Path | None = None,
        run: types.Source | None = None,
        on_event: Callable[[types.Event], None] | None = None,
        cancel: types.Cancel | None = None,
        on_lineage: Callable[[types.Operation], None] | None = None,
    ) -> None:
        self._session = Session(
            store=store,
            registries=registries,
            signer=signer,
            run=run,
            on_event=on_event,
            cancel=cancel,
            on_lineage=on_lineage,
        )

    @property
    def store(self) -> Path:
        """The local store's directory.

        Raises:
            StoreError: There is no home directory that it could be in.
        """
        return self._session.store.home

    def close(self) -> None:
        """Close the connections. A client that is used again opens them again."""
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

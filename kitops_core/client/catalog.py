"""The verb that shows all kits at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kitops_core import types
from kitops_core.session import Session


class CatalogVerbs:
    """The verb that shows all kits at once."""

    _session: Session

    def catalog(
        self,
        places: Sequence[str],
        output: str | Path,
        *,
        policies: Sequence[types.PromotionPolicy | str | Path] = (),
        keys: Sequence[types.PublicKey | str | Path] = (),
    ) -> types.Catalogue:
        """Write a static site about the kits of registries: versions, channels, what waits and why, history, lineage.

        It is read from the registries alone. What was read by a digest is kept in the folder, and only pages whose
        contents changed are written again; each appears whole. What cannot be read is named on the first page and in
        the answer.

        Args:
            places: Repositories (``registry/repository``), namespaces (``registry/namespace/``, all repositories below)
                or registries. Namespaces and registries need one that lists its repositories.
            output: The folder: new, empty, or of a catalogue that was built before.
            policies: Promotion policies, or the files they are in; their channels and repositories are shown, too.
            keys: Public keys to check signatures with, besides those that the policies name.

        Returns:
            How much it shows, how many pages were written, and what could not be read.

        Raises:
            InvalidInputError: A place, policy or key cannot be used.
            NotFoundError: There is no such repository or namespace.
            ConflictError: The folder has files of others, or another process builds there.
            DeniedError, RegistryError: Nothing at all could be read; what was built before stays.
            StoreError: The folder cannot be written.
            CancelledError: The switch was flipped; no page changed.
        """
        from kitops_core.catalogs.build import catalog

        return catalog(self._session, places, output, policies=policies, keys=keys)

"""A kit as an asset's input: nothing is read before something is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dagster_kitops.serializers import load_model
from kitops_core.errors import NotFoundError
from kitops_core.reference import parse_reference
from kitops_core.verbs.unpack import Unpacked

if TYPE_CHECKING:
    from dagster_kitops.resources import KitOpsResource
    from kitops_core import ModelKit as OpenKit
    from kitops_core.kitfile import Kitfile


class ModelKit:
    """A kit of an upstream asset, pinned to the digest that Dagster recorded as this run's input.

    Where there is no such record (outside Dagster, or for a kit that another tool pushed) it is pinned to what its
    tag names when it is first used.
    """

    def __init__(self, kitops: KitOpsResource, reference: str) -> None:
        self._kitops = kitops
        self._reference = parse_reference(reference)
        self._kitfile: Kitfile | None = None

    @property
    def reference(self) -> str:
        """The full reference, pinned to the digest."""
        self._pin()
        return str(self._reference)

    @property
    def digest(self) -> str:
        """The digest of the kit's manifest."""
        self._pin()
        return self._reference.digest

    @property
    def kitfile(self) -> Kitfile:
        """The Kitfile."""
        if self._kitfile is None:
            self._open().close()
        assert self._kitfile is not None  # noqa: S101  set by opening
        return self._kitfile

    def read(self, path: str) -> bytes:
        """One file of the kit; only the layer that holds it is read.

        Raises:
            NotFoundError: The kit has no such file.
            IntegrityError: The layer is not what its digest says.
        """
        with self._open() as kit:
            return kit.read(path)

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """One file of the kit as text; see :meth:`read`."""
        return self.read(path).decode(encoding)

    def unpack(
        self, directory: str | os.PathLike[str], *, only: Sequence[str] = (), overwrite: bool = False
    ) -> Unpacked:
        """Unpack the kit, or the parts that ``only`` names, into a directory.

        Args:
            directory: Where to; made if it does not exist.
            only: Filters such as ``model`` or ``datasets:sample``; none means everything.
            overwrite: Replace files that are in the way.

        Raises:
            KitOpsError: As :func:`kitops_core.unpack`.
        """
        with self._open() as kit:
            return kit.unpack(directory, only=only, overwrite=overwrite)

    def load_model(self, *, trusted: Sequence[str] = (), allow_pickle: bool = False) -> Any:
        """The model object that an asset returned.

        Args:
            trusted: Names of types, beyond the usual ones, that may be made from what the kit holds.
            allow_pickle: Whether a pickled model may be loaded, which runs whatever code it holds.

        Raises:
            NotFoundError: The kit has no model of its own.
            InvalidInputError: The model is of a format that this package does not load, or of types not trusted.
        """
        model = self.kitfile.model
        if model is None:
            raise NotFoundError(f"{self.reference} has no model", hint="unpack it, or read its files by path")
        return load_model(
            model.format, self.read(model.path), where=self.reference, trusted=trusted, allow_pickle=allow_pickle
        )

    def __repr__(self) -> str:
        return f"ModelKit({str(self._reference)!r})"

    def _pin(self) -> None:
        if not self._reference.digest:
            self._open().close()

    def _open(self) -> OpenKit:
        kit = self._kitops.open(str(self._reference))
        self._reference = parse_reference(kit.reference)
        self._kitfile = kit.kitfile
        return kit

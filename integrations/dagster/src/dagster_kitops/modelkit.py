"""A kit as an asset's input: nothing is read before something is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dagster_kitops.contents import TRUSTED_TYPES
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.serializers import load_object, serializer_of
from kitops_core import (
    Existing,
    InvalidInputError,
    KitEntry,
    Kitfile,
    NotFoundError,
    Unpacked,
    parse_reference,
    select_entries,
)
from kitops_core import ModelKit as OpenKit
from kitops_core.orchestrate.scratch import scratch


class ModelKit:
    """A kit of an upstream asset, pinned to the digest that Dagster recorded as this run's input.

    Where there is no such record (outside Dagster, or for a kit that another tool pushed) it is pinned to what its
    tag names when it is first used.

    Attributes:
        kitops: Where it is read from.
        tag: The tag that it was found by; empty where that was its digest.
    """

    def __init__(self, kitops: KitOpsResource, reference: str) -> None:
        self.kitops = kitops
        self._reference = parse_reference(reference)
        self.tag = self._reference.tag
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
            with self._open():
                pass
        assert self._kitfile is not None  # noqa: S101  set by opening
        return self._kitfile

    @property
    def trusted_types(self) -> tuple[str, ...]:
        """Names of the types, beyond the usual ones, that its model is made of, as whoever packed it says.

        To read before they are given to :meth:`load`: a type that is trusted is made.
        """
        model = self.kitfile.model
        types = (model.parameters or {}).get(TRUSTED_TYPES) if model is not None else None
        return tuple(str(name) for name in types) if isinstance(types, list) else ()

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
        self, directory: str | os.PathLike[str], *, only: Sequence[str] = (), existing: Existing = "refuse"
    ) -> Unpacked:
        """Unpack the kit, or the parts that ``only`` names, into a directory.

        Args:
            directory: Where to; made if it does not exist.
            only: Filters such as ``model`` or ``datasets:sample``; none means everything.
            existing: What becomes of files that are in the way: ``refuse``, ``overwrite`` or ``ignore``.

        Raises:
            KitOpsError: As :func:`kitops_core.unpack`.
        """
        with self._open() as kit:
            return kit.unpack(directory, only=only, existing=existing)

    def load(self, *, only: Sequence[str] = (), trusted: Sequence[str] = (), allow_pickle: bool = False) -> Any:
        """The object that an asset returned, its model first of all, or the one object that ``only`` names.

        Its file is unpacked among the temporary ones for as long as it is read, so that memory holds the object alone.

        Args:
            only: Filters such as ``model`` or ``datasets:sample`` that leave one entry of the kit.
            trusted: Names of types, beyond the usual ones, that may be made from what the kit holds.
            allow_pickle: Whether a pickle may be loaded, which runs whatever code it holds.

        Raises:
            NotFoundError: The kit has no such entry.
            InvalidInputError: Several entries are meant, or the object is of a format that this package does not
                load, or of types not trusted.
        """
        entry = self.entry(only)
        model = self.kitfile.model
        format_ = model.format if model is not None and entry.section == "model" else ""
        where = self.reference
        serializer = serializer_of(format_, entry.path, where=where, allow_pickle=allow_pickle)
        with scratch("dagster") as directory:
            # A filter's comma parts it: of an entry that has one, all is unpacked that may be it.
            self.unpack(directory, only=only if "," in entry.path else [f":{entry.path}"])
            return load_object(serializer, directory / entry.path, path=entry.path, where=where, trusted=trusted)

    def load_bytes(self, *, only: Sequence[str] = ()) -> bytes:
        """The bytes of the model's file, or of the one file that ``only`` names.

        Raises:
            NotFoundError: The kit has no such entry.
            InvalidInputError: Several entries are meant.
        """
        return self._read_entry(self.entry(only))

    def entry(self, only: Sequence[str] = ()) -> KitEntry:
        """The one entry that is meant: by filters, else the model, else the only one there is.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: There are several.
        """
        entries = select_entries(self.kitfile, only)
        if not entries:
            raise NotFoundError(f"{self.reference} has no {' or '.join(only) or 'entry'}", hint="see its Kitfile")
        for section in ("model", "dataset"):  # what an asset returned, among what was packed along with it
            chosen = [entry for entry in entries if entry.section == section]
            if len(chosen) == 1 and not only:
                return chosen[0]
        if len(entries) > 1:
            raise InvalidInputError(
                f"{self.reference} has {', '.join(entry.path for entry in entries)}, and one is to be loaded",
                hint="name it: 'kitops/only' in the input's metadata, for example 'datasets:sample'",
            )
        return entries[0]

    def __repr__(self) -> str:
        return f"ModelKit({str(self._reference)!r})"

    def __reduce__(self) -> Any:
        # A pickle would hold the registry's credentials, and the IO manager for pickles writes it to a disk.
        raise InvalidInputError(
            f"a handle is not stored: {self!r} is one",
            hint="return it from an asset that has a ModelKitIOManager, or return ModelKitRef(kit.reference)",
        )

    def _read_entry(self, entry: KitEntry) -> bytes:
        with self._open() as kit:
            return kit.read(entry.path, limit=max(kit.size, 2**30))

    def _pin(self) -> None:
        if not self._reference.digest:
            with self._open():
                pass

    @contextmanager
    def _open(self) -> Iterator[OpenKit]:
        with self.kitops.open(str(self._reference)) as kit:
            self._reference = parse_reference(kit.reference)
            self._kitfile = kit.kitfile
            yield kit

"""A kit that was opened: pinned to its digest, read part by part, unpacked whole or filtered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kitops_core.by_identity import ByIdentity
from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.kits.filters import parse_filters
from kitops_core.kits.stored_kit import StoredLayer, read_kit
from kitops_core.kits.unpack import Unpacked, open_layer, unpack_kit
from kitops_core.layers.publish import Existing
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.oci.manifest import Manifest
from kitops_core.record import ModelKitRecord
from kitops_core.reference import Where
from kitops_core.session import FoundKit, Session

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile, KitfileData
    from kitops_core.layers.tar_reader import Readable

MAX_READ_BYTES = 1024 * 1024 * 1024
"""The largest file :meth:`ModelKit.read` takes into memory unless told otherwise."""


class ModelKit(ByIdentity):
    """A kit in a storage. Its tag was resolved when it was opened; from then on only the digest is used.

    Attributes:
        manifest: Its manifest.
        layers: Its layers and the Kitfile entries they hold.
        remote: Whether it is read from a registry rather than from the local store or a layout.
        storage: Which storage it is read from: ``registry``, ``local store`` or ``layout``.
    """

    def __init__(self, found: FoundKit, session: Session, *, owns_session: bool = False) -> None:
        self._found = found
        self._session = session
        self._owns_session = owns_session
        self._control = session.control
        self._parents: list[FoundKit] = []
        self._kit = read_kit(found.storage, found.manifest, session.control)
        self.manifest: Manifest = found.manifest
        self.layers: tuple[StoredLayer, ...] = self._kit.layers
        self.remote = found.remote
        self.storage = found.where

    @property
    def kitfile(self) -> Kitfile:
        """Its Kitfile."""
        return self._kit.kitfile

    @property
    def kitfile_data(self) -> KitfileData:
        """The same as plain values, for those who need no models."""
        return self._kit.kitfile_data

    @property
    def reference(self) -> str:
        """The reference it was opened by, pinned to the digest."""
        return str(self._found.reference)

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """Bytes of config and layers as stored."""
        return self.manifest.size

    def record(self) -> ModelKitRecord:
        """The shared record of this kit."""
        return self._kit.record(self._found.reference)

    def read(self, path: str, *, limit: int = MAX_READ_BYTES) -> bytes:
        """One file of the kit, without unpacking; only the layer that holds it is read.

        Args:
            path: Its path in the kit.
            limit: The largest file taken into memory, in bytes.

        Raises:
            NotFoundError: The kit has no such file.
            InvalidInputError: The file is larger than ``limit``.
            IntegrityError: The layer is not what its digest says.
        """
        from kitops_core.layers.tar_reader import read_tar_member

        wanted = os.path.normpath(path)
        candidates = [layer for layer in self.layers if _may_hold(layer, wanted)]
        for layer in sorted(candidates, key=lambda layer: len(layer.entry.path), reverse=True):
            with ExitStack() as stack:
                stack.enter_context(self._control.lanes.one())
                stream = open_layer(self._found.storage, layer, self._control, stack)
                if layer.type.format == "raw":
                    return _read_raw(stream, layer.entry.path, limit)
                data = read_tar_member(stream, wanted, where=f"layer '{layer.entry.path}'", limit=limit)
            if data is not None:
                return data
        raise NotFoundError(
            f"{self.reference} has no file '{path}'",
            hint="its entries are " + ", ".join(layer.entry.path for layer in self.layers),
        )

    def unpack(
        self,
        directory: str | os.PathLike[str],
        *,
        only: Sequence[str] = (),
        existing: Existing = "refuse",
        max_ratio: int | None = None,
    ) -> Unpacked:
        """Unpack this very digest; see :meth:`kitops_core.Client.unpack`."""
        return unpack_kit(
            self._found,
            self._kit,
            Path(directory),
            filters=parse_filters(only),
            find_parent=self._open_parent,
            existing=existing,
            max_ratio=max_ratio,
            control=self._control,
        )

    def close(self) -> None:
        """Let go of connections."""
        for found in (self._found, *self._parents):
            found.storage.close()
        if self._owns_session:
            self._session.close()

    def __enter__(self) -> ModelKit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ModelKit({self.reference!r})"

    def _open_parent(self, text: str) -> FoundKit:
        found = self._session.find(text)
        self._parents.append(found)
        return found


def open_kit(
    session: Session,
    reference: str,
    *,
    where: Where = "any",
    owns_session: bool = False,
) -> ModelKit:
    """See :meth:`kitops_core.Client.open`. A kit that owns the session closes it with itself."""
    found = session.find(reference, where)
    try:
        return ModelKit(found, session, owns_session=owns_session)
    except BaseException:
        found.storage.close()
        raise


def _may_hold(layer: StoredLayer, path: str) -> bool:
    prefix = layer.entry.path
    if layer.type.format == "raw":
        return prefix == path
    return prefix in (".", path) or path.startswith(prefix + "/")


def _read_raw(stream: Readable, name: str, limit: int) -> bytes:
    data = bytearray()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    while count := stream.readinto(buffer):
        data += buffer[:count]
        if len(data) > limit:
            raise InvalidInputError(
                f"'{name}' has more than the {limit} bytes that are read into memory", hint="unpack it instead"
            )
    return bytes(data)

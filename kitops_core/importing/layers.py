"""Layers made of files of a hub while these are read: a file as it is, a directory as a tar."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from kitops_core.errors import SourceError
from kitops_core.events import Control
from kitops_core.files.incomplete import SECTIONS, checked
from kitops_core.importing.remote_files import RemoteFile, RemoteFiles
from kitops_core.kitfile.listing import is_left_out
from kitops_core.kits.packed_layer import FinishedLayer
from kitops_core.layers.context import problems_error
from kitops_core.layers.tar_writer import TRAILER, header, header_size, padding
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType
from kitops_core.record import LayerRecord
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.kitfile import KitEntry, KitfileData
    from kitops_core.storage.local import LayerCache

IN_MEMORY_BYTES = 16 * 1024 * 1024
"""Files whose SHA-256 the hub does not tell are read into memory up to this size, and are looked for before they are
sent. The Hub keeps nothing above 10 MiB in that way."""


class ImportedLayer:
    """One entry of the Kitfile on its way into a storage.

    Attributes:
        known: Its descriptor without annotations, once it is known: at once for a file whose SHA-256 the hub tells.
        outcome: ``written``, ``present`` or ``mounted``.
        path: The entry's path in the kit.
        size: The layer's exact length in bytes.
    """

    def __init__(
        self,
        entry: KitEntry,
        files: Sequence[RemoteFile],
        directories: Sequence[str],
        remote: RemoteFiles,
        cache: LayerCache,
    ) -> None:
        """Make a layer.

        Args:
            entry: The entry.
            files: Its files: the one that is at its path, or all below it.
            directories: Directories that are in its tar.
            remote: Where they are.
            cache: What was written before.
        """
        raw = len(files) == 1 and files[0].path == entry.path
        self.path = entry.path
        self.outcome = "present"
        self.known: Descriptor | None = None
        self._entry = entry
        self._remote = remote
        self._cache = cache
        self._type = LayerType(entry.section, "raw" if raw else "tar")
        self._members = _members(files, directories) if not raw else []
        self._file = files[0] if raw else None
        self.size = (
            files[0].size
            if raw
            else len(TRAILER)
            + sum(
                header_size(name, size) + size + padding(size)
                for name, size in ((name, file.size if file else 0) for name, file in self._members)
            )
        )
        self._mount_from: tuple[str, ...] = ()
        self._look_up()

    def learn(self, size_before: int, control: Control) -> None:
        """Learn the layer's digest where its files are worth reading once more, to see whether their bytes changed.

        Args:
            size_before: Its size in the kit that is replaced, -1 where that has no such layer.
            control: Progress and cancelling.
        """
        if self.known is None and self.size == size_before:
            self.known = self._hashed(control)

    def write(
        self, storage: Storage, size_before: int, control: Control, learned: Callable[[], None] = lambda: None
    ) -> None:
        """Write the layer, unless the storage has it, and remember its digest.

        Args:
            storage: Where to.
            size_before: See :meth:`learn`.
            control: Progress and cancelling.
            learned: Called when :meth:`finished` says what is final, perhaps several times.
        """

        def know(descriptor: Descriptor) -> None:
            self.known = descriptor
            learned()

        small = self.known is None and self._file is not None and self.size <= IN_MEMORY_BYTES
        data = b"".join(bytes(piece) for piece in self._stream(control)) if small else None
        if data is not None:
            self.known = BytesSource(data, self._type.modelkit()).descriptor
        else:
            self.learn(size_before, control)
        source = _Source(self, data, control)
        if self.known is not None:
            learned()
        written = storage.write_blob(source, control, mount_from=self._mount_from, learned=know)
        know(written.descriptor)
        self.outcome = written.outcome
        self.remember(storage)

    def remember(self, storage: Storage) -> None:
        """Keep in the cache what was learned, and that the storage has it."""
        if self.known is not None:
            now = time.time_ns()
            self._cache.put(self._cache_key(), self.known, self.known.digest, storage.name, newest_ns=0, started_ns=now)

    def descriptor(self) -> Descriptor:
        """The layer's descriptor as the manifest carries it."""
        known = self.known or Descriptor(self._type.modelkit(), "sha256:" + "0" * 64, self.size)
        return Descriptor(known.media_type, known.digest, known.size, self._type.annotations(self.path))

    def finished(self) -> FinishedLayer:
        """What the config and the manifest say of the layer."""
        descriptor = self.descriptor()
        return FinishedLayer(self._entry.address, descriptor, descriptor.digest)

    def record(self) -> LayerRecord:
        """The layer in the shared record."""
        found = self.descriptor()
        return LayerRecord(
            self._entry.section, self.path, found.media_type, found.digest, found.digest, found.size, self.outcome
        )

    def _look_up(self) -> None:
        """What is known of it without reading: the hub tells it, or it was written before."""
        media_type = self._type.modelkit()
        if self._file is not None and self._file.sha256:
            self.known = Descriptor(media_type, f"sha256:{self._file.sha256}", self.size)
        cached = self._cache.get(self._cache_key())
        if cached is not None and cached.size == self.size:
            self.known = self.known or Descriptor(media_type, cached.digest, cached.size)
            self._mount_from = tuple(cached.repositories)

    def _cache_key(self) -> str:
        contents = [(name.hex(), file.identity if file else "") for name, file in self._members]
        named = json.dumps(contents if self._file is None else self._file.identity)
        return f"imported {self.size} {hashlib.sha256(named.encode()).hexdigest()} {self._type.modelkit()}"

    def _hashed(self, control: Control) -> Descriptor:
        digest = hashlib.sha256()
        for piece in self._stream(control):
            control.check()
            digest.update(piece)
        return Descriptor(self._type.modelkit(), f"sha256:{digest.hexdigest()}", self.size)

    def _stream(self, control: Control) -> Iterator[memoryview]:
        """The layer's bytes, from the beginning."""
        if self._file is not None:
            yield from self._checked(self._file, control)
            return
        for name, file in self._members:
            size = file.size if file else 0
            yield memoryview(header(name, 0o644 if file else 0o755, size, directory=file is None))
            if file is not None:
                yield from self._checked(file, control)
                if rest := padding(size):
                    yield memoryview(bytes(rest))
        yield memoryview(TRAILER)

    def _checked(self, file: RemoteFile, control: Control) -> Iterator[memoryview]:
        """A file's bytes; of a model and of data, it is to be the whole file."""
        pieces = self._remote.stream(file, control)
        if self._entry.section not in SECTIONS:
            return pieces

        def refuse(fault: str) -> SourceError:
            hint = "whoever keeps the repository has to upload the file itself; a Kitfile without it leaves it out"
            return SourceError(f"'{file.path}' of {self._remote.name} {fault}", hint=hint)

        return checked(pieces, file.path.encode(), file.size, refuse)


class _Source:
    """The layer as a blob to be written (a :class:`~kitops_core.oci.blob.BlobSource`)."""

    def __init__(self, layer: ImportedLayer, data: bytes | None, control: Control) -> None:
        self.name = layer.path
        self.media_type = layer.descriptor().media_type
        self.size: int | None = layer.size
        self.known = layer.known
        # A file's own check compares with the very digest that is announced.
        self.verified = data is not None or (layer._file is not None and bool(layer._file.sha256))
        self._layer = layer
        self._data = data
        self._control = control

    def stream(self) -> Iterator[memoryview]:
        """The bytes, from the beginning."""
        if self._data is None:
            return self._layer._stream(self._control)
        return iter([memoryview(self._data)] if self._data else [])


def plan_layers(kitfile: KitfileData, remote: RemoteFiles, cache: LayerCache) -> list[ImportedLayer]:
    """A layer for every entry of a Kitfile.

    Which files a layer holds follows the rules of packing: see :mod:`kitops_core.layers.plan`.

    Raises:
        SourceError: Paths are not there; all are named.
    """
    entries = kitfile.entries()
    paths = [entry.path for entry in entries]
    by_path = {file.path: file for file in remote.files}
    files = [file for file in remote.files if not is_left_out(file.path)]
    directories = sorted({parent for file in files for parent in _parents(file.path)})
    layers, problems = [], []
    for entry in entries:
        if entry.path in by_path:
            layers.append(ImportedLayer(entry, [by_path[entry.path]], (), remote, cache))
            continue
        inside = "" if entry.path == "." else f"{entry.path}/"
        others = tuple(path for path in paths if path.startswith(inside) and not entry.path.startswith(path))
        below = [file for file in files if file.path.startswith(inside) and not file.path.startswith(others)]
        if not below:
            problems.append(f"{entry.address}: '{entry.path}' does not exist in {remote.name}")
        elif entry.section == "mcpb":
            problems.append(f"{entry.address}: '{entry.path}' is a directory, and an MCP bundle is a file")
        else:
            # As in a pack: directories above the entry, and all below it, also where their files are other layers.
            held = [path for path in directories if path.startswith(inside) and not path.startswith(others)]
            layers.append(ImportedLayer(entry, below, [*_parents(f"{inside}."), *held], remote, cache))
    if problems:
        raise problems_error(problems, "paths in the Kitfile are those of the repository's files and directories")
    if not layers and not kitfile.model_reference():
        raise SourceError(f"{remote.name} has no files to import", hint="is it the right repository and revision?")
    return layers


def _parents(path: str) -> list[str]:
    """The directories above a path, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _members(files: Sequence[RemoteFile], directories: Sequence[str]) -> list[tuple[bytes, RemoteFile | None]]:
    """The names of a tar in their order, directories (without a file) just before what is in them."""
    found: dict[str, RemoteFile | None] = dict.fromkeys(directories)
    found.update((file.path, file) for file in files)
    return sorted(((path.encode(), file) for path, file in found.items()), key=lambda item: item[0].split(b"/"))

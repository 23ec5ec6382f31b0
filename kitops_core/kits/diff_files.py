"""What differs within the layers that differ: which files, and in files of weights which tensors or members."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

from kitops_core.errors import IntegrityError
from kitops_core.events import Control
from kitops_core.files.parts import FileParts, differences, read_directory, read_parts, seen_to_differ
from kitops_core.kits.stored_kit import StoredLayer
from kitops_core.kits.unpack import open_layer
from kitops_core.layers.part_stream import PART_BYTES, NotByPartsError, PartFile, PartStream
from kitops_core.layers.tar_reader import READ_BYTES, Readable, TarReader
from kitops_core.parallel import run_all
from kitops_core.storage import Storage


@dataclass(frozen=True)
class FileChange:
    """A file that one kit has and the other has not, or has with other bytes.

    Attributes:
        change: ``added``, ``removed`` or ``changed``, going from the first kit to the second; ``unread`` where nothing
            differs in the header, which is all that was read.
        path: The path in the kit.
        details: What differs, of a changed file: ``3 of 98 tensors changed: …``, ``the same 98 tensors``,
            ``epoch: 3 → 4``; ``other bytes`` where its format is not looked into; ``values were not read``.
        header_only: Whether only its header was read, of one kit at least. It was not checked against a digest.
    """

    change: Literal["added", "removed", "changed", "unread"]
    path: str
    details: tuple[str, ...] = ()
    header_only: bool = False


WHOLE_BYTES = 64 * 1024 * 1024
"""How large a layer in a registry may be for it to be read whole; of a larger one, as much may be read by parts."""


def file_changes(
    before: Storage, after: Storage, layers: list[tuple[StoredLayer, StoredLayer]], control: Control
) -> list[FileChange]:
    """Read both sides of each layer, once, and compare the files in them.

    Of a large layer in a registry that is not compressed, only the headers of weights are read, by parts, and what
    else is in it; unless that is much, or the registry sends no parts.

    Raises:
        IntegrityError: A layer is damaged, or not what its digest says.
        NotFoundError: A layer is not there.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    sides = [side for one, two in layers for side in ((before, one), (after, two))]
    read = run_all([partial(_parts, *side) for side in sides], control)
    return [change for one, two in zip(read[::2], read[1::2], strict=True) for change in _changes(one, two)]


def _changes(one: dict[str, FileParts], two: dict[str, FileParts]) -> Iterator[FileChange]:
    for path in dict.fromkeys([*one, *two]):
        if path not in two:
            yield FileChange("removed", path)
        elif path not in one:
            yield FileChange("added", path)
        elif details := differences(one[path], two[path]):
            change: Literal["changed", "unread"] = "changed" if seen_to_differ(one[path], two[path]) else "unread"
            header_only = one[path].header_only or two[path].header_only
            yield FileChange(change, path, tuple(details), header_only)


def _parts(storage: Storage, layer: StoredLayer, control: Control) -> dict[str, FileParts]:
    size = layer.descriptor.size
    if size > WHOLE_BYTES and layer.type.compression == "none":
        fetch = storage.open_parts(layer.descriptor, control)
        if fetch is not None:
            with suppress(NotByPartsError, IntegrityError):  # what is wrong is said of the bytes that were checked
                return _read(PartStream(fetch, size, WHOLE_BYTES), layer, control)
    with ExitStack() as stack:
        return _read(open_layer(storage, layer, control, stack), layer, control)


def _read(stream: Readable, layer: StoredLayer, control: Control) -> dict[str, FileParts]:
    path = layer.entry.path
    parts = stream if isinstance(stream, PartStream) else None
    if layer.type.format == "raw":
        return {path: _file(path, layer.descriptor.size, _raw(stream, control), parts, 0)}
    where = f"layer '{path}'"
    reader = TarReader(stream, where, buffer_bytes=PART_BYTES, skip=parts.skip) if parts else TarReader(stream, where)
    found = {}
    for entry in reader:
        control.check()
        if not entry.is_directory:
            name = entry.name.decode(errors="replace").removeprefix("./")
            found[name] = _file(name, entry.size, iter(reader.chunk, b""), parts, reader.position)
    return found


def _file(name: str, size: int, chunks: Iterator[memoryview], parts: PartStream | None, begin: int) -> FileParts:
    """What a file is made of; ``parts`` is the stream that it is read from where only headers are wanted."""
    directory = read_directory(name, PartFile(parts, begin, size)) if parts else None
    return directory or read_parts(name, size, chunks, header_only=parts is not None)


def _raw(stream: Readable, control: Control) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(READ_BYTES))
    while count := stream.readinto(buffer):
        control.check()
        yield buffer[:count]

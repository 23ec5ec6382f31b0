"""What differs within the layers that differ: which files, and in files of weights which tensors or members."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

from kitops_core.events import Control
from kitops_core.files.parts import FileParts, differences, read_parts
from kitops_core.kits.stored_kit import StoredLayer
from kitops_core.kits.unpack import open_layer
from kitops_core.layers.tar_reader import READ_BYTES, Readable, TarReader
from kitops_core.parallel import run_all
from kitops_core.storage import Storage


@dataclass(frozen=True)
class FileChange:
    """A file that one kit has and the other has not, or has with other bytes.

    Attributes:
        change: ``added``, ``removed`` or ``changed``, going from the first kit to the second.
        path: The path in the kit.
        details: What differs, of a changed file: ``3 of 98 tensors changed: …``, ``the same 98 tensors``,
            ``epoch: 3 → 4``; ``other bytes`` where its format is not looked into.
    """

    change: Literal["added", "removed", "changed"]
    path: str
    details: tuple[str, ...] = ()


def file_changes(
    before: Storage, after: Storage, layers: list[tuple[StoredLayer, StoredLayer]], control: Control
) -> list[FileChange]:
    """Read both sides of each layer, once, and compare the files in them.

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
            yield FileChange("changed", path, tuple(details))


def _parts(storage: Storage, layer: StoredLayer, control: Control) -> dict[str, FileParts]:
    path = layer.entry.path
    with ExitStack() as stack:
        stream = open_layer(storage, layer, control, stack)
        if layer.type.format == "raw":
            return {path: read_parts(path, layer.descriptor.size, _raw(stream, control))}
        reader = TarReader(stream, f"layer '{path}'")
        found = {}
        for entry in reader:
            control.check()
            if not entry.is_directory:
                name = entry.name.decode(errors="replace").removeprefix("./")
                found[name] = read_parts(name, entry.size, iter(reader.chunk, b""))
        return found


def _raw(stream: Readable, control: Control) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(READ_BYTES))
    while count := stream.readinto(buffer):
        control.check()
        yield buffer[:count]

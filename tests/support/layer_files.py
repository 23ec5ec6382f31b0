"""Files to plan layers from, and layers read back, for tests of the layers."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kitops_core.events import Control, Event
from kitops_core.layers.plan import Context, LayerPlan, Part, plan
from kitops_core.layers.sources import LayerSource
from kitops_core.oci.media_types import Compression, LayerType


def open_below(directory: Path) -> list[str]:
    """What this process has open in a directory; servers of other tests, which come and go, are elsewhere."""
    found = []
    for number in os.listdir("/dev/fd"):
        with suppress(OSError):  # the listing's own descriptor is closed by now
            found.append(os.readlink(f"/dev/fd/{number}"))
    return [path for path in found if Path(path).is_relative_to(directory)]


def write_files(root: Path, files: Mapping[str, bytes | str | None]) -> Path:
    """Write files below ``root``, modes 0644 and 0755 under any umask; ``None`` is an empty directory."""
    for path, content in files.items():
        place = root / path
        directory = place if content is None else place.parent
        directory.mkdir(parents=True, exist_ok=True)
        while directory != root.parent:
            directory.chmod(0o755)
            directory = directory.parent
        if content is not None:
            place.write_bytes(content.encode() if isinstance(content, str) else content)
            place.chmod(0o644)
    return root


def plan_paths(context: Path | Context, *paths: str, control: Control | None = None, **options: Any) -> list[LayerPlan]:
    """Plans of code layers for ``paths``."""
    if isinstance(context, Path):
        context = Context.from_directory(context)
    parts = [Part(f"code[{index}]", "code", path) for index, path in enumerate(paths)]
    return plan(context, parts, control=control or Control(), **options)


def plan_one(context: Path | Context, path: str, *others: str) -> LayerPlan:
    """The plan of a layer for ``path`` beside layers for ``others``."""
    return plan_paths(context, path, *others)[0]


def names(layer: LayerPlan) -> list[str]:
    """The names a layer holds, in order."""
    return [os.fsdecode(folder.prefix + folder.names[index]) for folder, index in layer.members()]


def source(layer: LayerPlan, compression: Compression = "none", **options: bool) -> LayerSource:
    """The layer as a blob source."""
    return LayerSource(layer, LayerType(layer.section, layer.format, compression), **options)


def read(layer: LayerPlan, compression: Compression = "none", **options: bool) -> bytes:
    """The layer's bytes."""
    return b"".join(bytes(view) for view in source(layer, compression, **options).stream())


def members(tar: bytes) -> list[tarfile.TarInfo]:
    """What Python reads from a tar."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return opened.getmembers()


class Told(Control):
    """A control that keeps its events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        super().__init__(self.events.append)

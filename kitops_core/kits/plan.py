"""What a pack would make of files: its layers, and what it would leave out. Nothing is sent, and nothing is stored."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_core.kits.kit_to_pack import KitToPack
from kitops_core.kits.pack import load_contents
from kitops_core.kits.packing import Packing
from kitops_core.layers.left_out import LeftOut
from kitops_core.objects.location import Location
from kitops_core.session import Session
from kitops_core.sources.contents import Contents

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile


@dataclass(frozen=True)
class PlannedLayer:
    """A layer that a pack would make.

    Attributes:
        section: What it holds: ``model``, ``modelpart``, ``code``, ``dataset``, ``docs``, ``prompt`` or ``mcpb``.
        path: The entry's path in the kit.
        media_type: Its media type.
        size: Its exact length in bytes, before it is compressed.
        files: How many files it holds.
    """

    section: str
    path: str
    media_type: str
    size: int
    files: int


@dataclass(frozen=True)
class PackPlan:
    """What a pack would make.

    Attributes:
        name: The package's name.
        layers: The layers, in the Kitfile's order.
        left_out: What would not be in the kit, by path; of a directory that is left out, only itself.
        size: Bytes of all layers, before they are compressed.
    """

    name: str
    layers: tuple[PlannedLayer, ...]
    left_out: tuple[LeftOut, ...]
    size: int

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {
            "name": self.name,
            "layers": [vars(layer) for layer in self.layers],
            "left_out": [item._asdict() for item in self.left_out],
            "size": self.size,
        }


def plan(
    session: Session,
    source: Location | Contents,
    *,
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    how: Packing | None = None,
) -> PackPlan:
    """See :meth:`kitops_core.Client.plan`."""
    context, description, where = load_contents(source, kitfile)
    kit = KitToPack(description, how or Packing())
    kit.check(where)
    found: list[LeftOut] = []
    packed = kit.plan(context, session.layer_cache(), session.control, leaves_out=found)
    layers = [
        PlannedLayer(layer.plan.section, layer.path, layer.media_type, layer.size, layer.plan.file_count)
        for layer in packed
    ]
    remote = [path for dataset in description.values.get("datasets") or () if (path := dataset.get("remote_path"))]
    left_out = [*found, *(LeftOut(url, "it stays where it is") for url in remote)]
    kit.check_room(packed)
    name = description.package.get("name", "")
    return PackPlan(name, tuple(layers), tuple(left_out), sum(layer.size for layer in layers))

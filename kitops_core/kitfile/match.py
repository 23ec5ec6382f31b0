"""Which layer of a manifest belongs to which entry of a Kitfile."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from kitops_core.errors import IntegrityError, UnsafeLayerError
from kitops_core.kitfile.data import KitfileData
from kitops_core.kitfile.entries import KitEntry
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.oci.media_types import LayerType, parse_layer_type


@dataclass(frozen=True)
class KitView:
    """A Kitfile and its layers.

    Attributes:
        kitfile: The Kitfile; made up from the layers where the artifact has none.
        layers: An entry's address to its layer.
        types: An entry's address to what its layer holds and how its bytes are written.
    """

    kitfile: KitfileData
    layers: dict[str, Descriptor]
    types: dict[str, LayerType]


def match_layers(kitfile: KitfileData, manifest: Manifest, where: str) -> KitView:
    """Give each entry its layer: by digest where the config has digests, by order in kits that are older than that.

    Raises:
        IntegrityError: An entry without its layer, a layer without its entry, or a layer of another section.
        UnsafeLayerError: An entry's path is absolute or leads out of the kit.
    """
    entries = kitfile.entries()
    for entry in entries:
        check_path(entry.path, f"{where}: {entry.address}")
    layers = [
        (layer, layer_type)
        for layer in manifest.layers
        if (layer_type := parse_layer_type(layer.media_type, dict(layer.annotations))) is not None
    ]
    if len(entries) != len(layers):
        raise IntegrityError(
            f"{where}: the Kitfile has {len(entries)} packed entries, the manifest {len(layers)} layers"
        )
    with_digest = [entry.address for entry in entries if entry.digest]
    if with_digest and len(with_digest) != len(entries):
        missing = next(entry.address for entry in entries if not entry.digest)
        raise IntegrityError(f"{where}: {with_digest[0]} has a digest, {missing} has none")
    found = KitView(kitfile, {}, {})
    left: dict[str, deque[tuple[Descriptor, LayerType]]] = {}
    for each in layers:
        left.setdefault(each[0].digest if with_digest else "", deque()).append(each)
    for entry in entries:
        same = left.get(entry.digest if with_digest else "")
        if not same:
            raise IntegrityError(f"{where}: {entry.address} has the layer {entry.digest}, which is not in the manifest")
        layer, layer_type = _take(entry, same) if with_digest else same.popleft()
        _check(entry, layer, layer_type, where)
        found.layers[entry.address] = layer
        found.types[entry.address] = LayerType(entry.section, layer_type.format, layer_type.compression)
    return found


def check_path(path: str, where: str) -> None:
    """Refuse a cleaned path that would be written outside the directory a kit is unpacked to.

    Raises:
        UnsafeLayerError: It is absolute or leads out.
    """
    if path.startswith("/") or path.split("/")[0] == ".." or "\0" in path:
        raise UnsafeLayerError(f"{where} has the path {path!r}, which is outside the kit")


def _take(entry: KitEntry, same: deque[tuple[Descriptor, LayerType]]) -> tuple[Descriptor, LayerType]:
    # Equal files have equal layers: of those, take one of the entry's section, so that no entry is left with the wrong.
    index = next((index for index, (_, layer_type) in enumerate(same) if _fits(entry, layer_type)), 0)
    taken = same[index]
    del same[index]
    return taken


def _fits(entry: KitEntry, layer_type: LayerType) -> bool:
    # A prompt is a code layer, and its annotation is the only sign of it: media types are the same without.
    return layer_type.section == entry.section or (entry.section == "prompt" and layer_type.section == "code")


def _check(entry: KitEntry, layer: Descriptor, layer_type: LayerType, where: str) -> None:
    if not _fits(entry, layer_type):
        raise IntegrityError(f"{where}: the layer of {entry.address} is a {layer_type.section} layer ({layer.digest})")
    if layer_type.compression == "none" and entry.diff_id and entry.diff_id != layer.digest:
        raise IntegrityError(f"{where}: {entry.address} has diffId {entry.diff_id}, its layer is {layer.digest}")

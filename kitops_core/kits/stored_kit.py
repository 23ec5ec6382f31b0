"""What a stored kit is: its Kitfile, which layer holds which entry, and its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kitops_core.events import Control
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.oci.media_types import ANNOTATION_CREATED, LayerType
from kitops_core.record import LayerRecord, ModelKitRecord
from kitops_core.reference import Reference, parse_reference
from kitops_core.storage import Storage, Written

if TYPE_CHECKING:
    from kitops_core.kitfile import KitEntry, Kitfile, KitfileData

MAX_CONFIG_BYTES = 64 * 1024 * 1024
"""The largest config blob that is read into memory; a Kitfile is seldom more than a few KiB."""


@dataclass(frozen=True)
class StoredLayer:
    """A layer together with the Kitfile entry it holds.

    Attributes:
        entry: The entry.
        descriptor: The layer's descriptor.
        type: What the layer's bytes are.
        diff_id: Digest of the uncompressed bytes, or an empty string where the kit does not say.
    """

    entry: KitEntry
    descriptor: Descriptor
    type: LayerType
    diff_id: str


@dataclass(frozen=True)
class StoredKit:
    """A kit as a storage has it.

    Attributes:
        manifest: Its manifest.
        kitfile_data: What its Kitfile says; made from the layers where another tool packed it.
        layers: The layers that hold Kitfile entries, in the manifest's order.
    """

    manifest: Manifest
    kitfile_data: KitfileData
    layers: tuple[StoredLayer, ...]

    @cached_property
    def kitfile(self) -> Kitfile:
        """Its Kitfile as models, which only those wait for who ask for them."""
        from kitops_core.kitfile import Kitfile

        return Kitfile.from_data(self.kitfile_data)

    def record(
        self, reference: Reference, *, previous_digest: str = "", written: Sequence[Written] = ()
    ) -> ModelKitRecord:
        """The record of this kit under ``reference``, after an operation that did ``written``."""
        outcomes = {item.descriptor.digest: item.outcome for item in written}
        changed = bool(written) and previous_digest != self.manifest.digest
        sent = sum(item.descriptor.size for item in written if item.outcome == "written")
        return ModelKitRecord(
            digest=self.manifest.digest,
            reference=str(reference if reference.tag else reference.with_digest(self.manifest.digest)),
            registry=reference.registry,
            repository=reference.repository,
            tag=reference.tag,
            tags=(reference.tag,) if reference.tag else (),
            size=self.manifest.size,
            kit=self.kitfile_data.package,
            layers=tuple(
                LayerRecord(
                    section=layer.type.section,
                    path=layer.entry.path,
                    media_type=layer.descriptor.media_type,
                    digest=layer.descriptor.digest,
                    diff_id=layer.diff_id,
                    size=layer.descriptor.size,
                    outcome=outcomes.get(layer.descriptor.digest, ""),
                )
                for layer in self.layers
            ),
            changed=changed,
            previous_digest=previous_digest,
            parents=self._pinned_parents(),
            created=self.manifest.annotations.get(ANNOTATION_CREATED, ""),
            sent=sent,
            reused=sum(item.descriptor.size for item in written) - sent,
            moved=(reference.tag,) if reference.tag and changed else (),
        )

    def _pinned_parents(self) -> tuple[str, ...]:
        """The kits that it names by a digest; parents that provenance names are read with ``lineage``."""
        named = [parse_reference(text) for text in self.kitfile_data.references()]
        return tuple(str(reference.with_digest(reference.digest)) for reference in named if reference.digest)


def read_kit(storage: Storage, manifest: Manifest, control: Control | None = None) -> StoredKit:
    """Read a kit's config and match its entries with its layers.

    Raises:
        IntegrityError: The config is not a Kitfile, or does not agree with the manifest.
    """
    from kitops_core.kitfile import view

    with storage.open_blob(manifest.config, control or storage.control) as reader:
        config = reader.read_all(MAX_CONFIG_BYTES)
    seen = view(manifest, config)
    layers = []
    for entry in seen.kitfile.entries():
        descriptor = seen.layers[entry.address]
        kind = seen.types[entry.address]
        plain = descriptor.digest if kind.compression == "none" else ""
        layers.append(StoredLayer(entry, descriptor, kind, entry.diff_id or plain))
    return StoredKit(manifest, seen.kitfile, tuple(layers))

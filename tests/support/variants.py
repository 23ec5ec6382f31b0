"""Kits that are variants of one model, for the tests of indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kitops_core as kitops
from kitops_core import Contents, ModelKitRecord, Variant
from kitops_core.events import Control
from kitops_core.oci.blob import BytesSource
from kitops_core.storage.registry import RegistryRepository
from kitops_core.storage.registry.manifests import RawManifest

LABELS: dict[str, dict[str, Any]] = {
    "q4_0": {"quantization": "q4_0", "vram": "6GB"},
    "q8_0": {"quantization": "q8_0", "vram": "12GB"},
    "f16": {"quantization": "f16", "vram": "24GB"},
}
"""Three quantisations and what they need."""


def pack_variant(directory: Path, repository: str, name: str, *, push: bool = False, **how: Any) -> ModelKitRecord:
    """A kit with weights of its own and a tokenizer that all variants share; larger where it needs more memory."""
    weights = directory / f"{name}.gguf"
    weights.write_bytes(name.encode() * 4096 * (1 + list(LABELS).index(name)))
    shared = directory / "tokenizer.json"
    shared.write_text('{"shared": true}')
    contents = Contents(model=weights, docs=[shared], name="llm", **how)
    return kitops.pack(contents, f"{repository}:{name}", push=push)


def variants_of(repository: str) -> list[Variant]:
    """The three, as an index takes them."""
    return [Variant(f"{repository}:{name}", labels) for name, labels in LABELS.items()]


def make_index(directory: Path, repository: str, *, push: bool = False, tag: str = "all") -> ModelKitRecord:
    """Pack the three variants and make their index."""
    for name in LABELS:
        pack_variant(directory, repository, name, push=push)
    return kitops.index_kits(f"{repository}:{tag}", variants_of(repository), push=push)


def copy_kit_as_others_do(source: RegistryRepository, target: RegistryRepository, digest: str) -> None:
    """Copy a kit as every client does it that has no names of its own for what it pushes: by its digest."""
    kit = source.manifest(digest)
    for blob in kit.blobs:
        with source.open_blob(blob, Control()) as reader:
            target.write_blob(BytesSource(reader.read_all(200_000), blob.media_type), Control())
    target._manifests.put(RawManifest(kit.raw, kit.digest, kit.media_type), kit.digest)

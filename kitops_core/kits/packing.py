"""How files become layers and a manifest: what, beside the files themselves, decides a kit's digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CompressionName = Literal["none", "gzip", "gzip-fastest", "zstd"]
"""How layers are compressed, in the reference CLI's words; ``gzip-fastest`` is gzip at its lowest level."""


@dataclass(frozen=True)
class Packing:
    """How a kit is packed.

    Attributes:
        compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd`` (which the reference CLI reads from 1.15 on).
        layer_format: ``raw`` stores a single file as it is instead of in a tar.
        model_pack: Write a CNCF ModelPack instead of a ModelKit.
        created: A time to stamp into the manifest, which changes its digest; ``SOURCE_DATE_EPOCH`` sets it too.
        allow_lfs_pointers: Take Git LFS pointers among models and datasets as they are, rather than for an error.
        all_files: Pack caches, environments and version control inside directories too (:mod:`kitops_core.files.junk`).
        allow_secrets: Pack files that hold credentials (:mod:`kitops_core.files.secrets`) inside directories too.
    """

    compression: CompressionName = "none"
    layer_format: Literal["tar", "raw"] = "tar"
    model_pack: bool = False
    created: datetime | None = None
    allow_lfs_pointers: bool = False
    all_files: bool = False
    allow_secrets: bool = False

"""Media types, artifact types, annotation keys and sizes of OCI 1.1, KitOps ModelKits and CNCF ModelPacks."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""The largest manifest every registry must take (distribution spec 1.1); larger ones are neither read nor written."""

IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
EMPTY_CONFIG_BYTES = b"{}"
EMPTY_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""Digest of ``{}``, the config of artifacts that have none (OCI image spec 1.1)."""

MODELKIT_ARTIFACT = "application/vnd.kitops.modelkit.manifest.v1+json"
MODELKIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
MODELKIT_INDEX = "application/vnd.kitops.modelkit.index.v1+json"
MODELPACK_ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
MODELPACK_CONFIG = "application/vnd.cncf.model.config.v1+json"

ANNOTATION_CLI_VERSION = "ml.kitops.modelkit.cli-version"
ANNOTATION_CREATED = "org.opencontainers.image.created"
ANNOTATION_FILEPATH = "org.cncf.model.filepath"
ANNOTATION_KITFILE = "ml.kitops.modelkit.kitfile"
ANNOTATION_ORIGINAL_TAG = "ml.kitops.modelkit.original-tag"
ANNOTATION_SIZE = "ml.kitops.modelkit.size"
ANNOTATION_SUBTYPE = "ml.kitops.modelkit.layer-subtype"
ANNOTATION_TITLE = "org.opencontainers.image.title"
SUBTYPE_PROMPT = "prompt"

Section = Literal["model", "modelpart", "code", "dataset", "docs", "prompt", "mcpb"]
Format = Literal["tar", "raw"]
Compression = Literal["none", "gzip", "zstd"]

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
_MODELKIT_PREFIX = "application/vnd.kitops.modelkit."
_MODELPACK_PREFIX = "application/vnd.cncf.model."
_TO_MODELPACK: dict[Section, str] = {
    "model": "weight",
    "modelpart": "weight.config",
    "code": "code",
    "dataset": "dataset",
    "docs": "doc",
    "prompt": "code",
}
_FROM_MODELPACK: dict[str, Section] = {
    "weight": "model",
    "weight.config": "modelpart",
    "code": "code",
    "dataset": "dataset",
    "doc": "docs",
}


class LayerType(NamedTuple):
    """What a layer holds and how its bytes are written.

    Attributes:
        section: The Kitfile section. ``prompt`` is written as a ``code`` layer with a subtype annotation.
        format: ``tar``, or ``raw`` for the bytes of one file.
        compression: ``none``, ``gzip`` or ``zstd``.
    """

    section: Section
    format: Format = "tar"
    compression: Compression = "none"

    def annotations(self, path: str) -> dict[str, str]:
        """What the descriptor of a layer is annotated with: nothing that depends on when or where it was packed.

        Args:
            path: The entry's path in the kit.
        """
        notes = {ANNOTATION_FILEPATH: path}
        if self.section == "prompt":
            notes[ANNOTATION_SUBTYPE] = SUBTYPE_PROMPT
        if self.format == "raw":
            notes[ANNOTATION_TITLE] = path
        return notes

    def modelkit(self) -> str:
        """The ModelKit media type."""
        section = "code" if self.section == "prompt" else self.section
        suffix = "" if self.compression == "none" else f"+{self.compression}"
        return f"{_MODELKIT_PREFIX}{section}.v1.{self.format}{suffix}"

    def modelpack(self) -> str:
        """The ModelPack media type; that format has no compressed raw layers and no MCP bundles."""
        suffix = "" if self.compression == "none" else f"+{self.compression}"
        return f"{_MODELPACK_PREFIX}{_TO_MODELPACK[self.section]}.v1.{self.format}{suffix}"

    def image_layer(self) -> str:
        """The media type of an OCI image's layer with the same bytes; only a ``tar`` layer can be one."""
        return IMAGE_LAYER if self.compression == "none" else f"{IMAGE_LAYER}+{self.compression}"


def is_media_type(text: str) -> bool:
    """Whether a text has the form of a media type (RFC 6838: type/subtype)."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def parse_layer_type(media_type: str, annotations: dict[str, str] | None = None) -> LayerType | None:
    """What a ModelKit or ModelPack layer media type says, or ``None`` for any other media type."""
    for prefix in (_MODELKIT_PREFIX, _MODELPACK_PREFIX):
        if not media_type.startswith(prefix):
            continue
        head, dot, tail = media_type.removeprefix(prefix).rpartition(".v1.")
        format_, _, compression = tail.partition("+")
        compression = compression or "none"
        if not dot or compression not in ("none", "gzip", "zstd"):
            return None
        if prefix == _MODELPACK_PREFIX:
            if format_ in ("gguf", "safetensors"):  # Docker Model Runner's names for a raw weight
                format_ = "raw"
            section = _FROM_MODELPACK.get(head)
        else:
            section = cast(Section, head) if head in ("model", "modelpart", "dataset", "code", "docs", "mcpb") else None
        if section is None or format_ not in ("tar", "raw"):
            return None
        if section == "code" and (annotations or {}).get(ANNOTATION_SUBTYPE) == SUBTYPE_PROMPT:
            section = "prompt"
        return LayerType(section, cast(Format, format_), cast(Compression, compression))
    return None

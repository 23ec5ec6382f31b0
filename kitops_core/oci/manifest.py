"""Descriptors and image manifests, read from and written to their exact bytes (OCI image spec 1.1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kitops_core.errors import IntegrityError, InvalidInputError, WrongKindError
from kitops_core.oci import media_types
from kitops_core.oci.media_types import MAX_MANIFEST_BYTES as MAX_MANIFEST_BYTES
from kitops_core.reference import is_digest


def sha256_digest(data: bytes | memoryview) -> str:
    """``sha256:<hex>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Descriptor:
    """What a blob or manifest is: media type, digest, size in bytes, annotations.

    Attributes:
        media_type: The media type.
        digest: ``sha256:<hex>``.
        size: Length in bytes.
        annotations: Annotations of this descriptor.
        artifact_type: The artifact type, on descriptors of manifests.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The descriptor as the JSON object of the OCI spec."""
        out: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            out["annotations"] = dict(sorted(self.annotations.items()))
        if self.artifact_type:
            out["artifactType"] = self.artifact_type
        return out

    @staticmethod
    def from_dict(data: Any, where: str) -> Descriptor:
        """Read a descriptor; ``where`` names it in the error.

        Raises:
            IntegrityError: A field is missing or of the wrong kind.
        """
        if not isinstance(data, dict):
            raise IntegrityError(f"{where}: a descriptor is expected")
        media_type, digest, size = data.get("mediaType"), data.get("digest"), data.get("size")
        if not isinstance(media_type, str):
            raise IntegrityError(f"{where}: mediaType is missing")
        if not isinstance(digest, str) or not is_digest(digest):
            raise IntegrityError(f"{where}: '{digest}' is not a digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise IntegrityError(f"{where}: '{size}' is not a size")
        artifact_type = data.get("artifactType") or ""
        if not isinstance(artifact_type, str):
            raise IntegrityError(f"{where}: artifactType must be a string")
        return Descriptor(media_type, digest, size, _annotations(data.get("annotations"), where), artifact_type)


@dataclass(frozen=True)
class Manifest:
    """An image manifest together with the exact bytes its digest is of.

    Attributes:
        raw: The bytes, as stored.
        media_type: The manifest's media type.
        config: Descriptor of the config blob.
        layers: Descriptors of the layers, in order.
        artifact_type: The artifact type, or an empty string (kits older than 1.10 have none).
        annotations: Annotations of the manifest.
        subject: For a referrer, the manifest it refers to.
    """

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None

    @cached_property
    def digest(self) -> str:
        """``sha256:<hex>`` of the bytes."""
        return sha256_digest(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's own descriptor."""
        return Descriptor(self.media_type, self.digest, len(self.raw), artifact_type=self.artifact_type)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, each digest once."""
        return tuple({d.digest: d for d in (self.config, *self.layers)}.values())

    @property
    def size(self) -> int:
        """Bytes of the config and all layers, as stored."""
        return self.config.size + sum(layer.size for layer in self.layers)


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Read an image manifest; ``where`` names it in errors.

    Raises:
        WrongKindError: They are an index, or another kind of manifest.
        IntegrityError: The bytes are not an image manifest.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise IntegrityError(f"{where}: the manifest has {len(raw)} bytes, the limit is {MAX_MANIFEST_BYTES}")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where}: the manifest is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise IntegrityError(f"{where}: the manifest is not a JSON object")
    media_type = data.get("mediaType") or media_types.IMAGE_MANIFEST
    if media_type != media_types.IMAGE_MANIFEST:
        if media_type == media_types.IMAGE_INDEX:
            raise WrongKindError(
                f"{where} is an index of several manifests, not one kit", hint="name one of them by its digest"
            )
        raise WrongKindError(f"{where} is a {media_type}, which is no kit")
    if data.get("schemaVersion") != 2:
        raise IntegrityError(f"{where}: schemaVersion {data.get('schemaVersion')!r} is not 2")
    layers = data.get("layers") or []
    if not isinstance(layers, list):
        raise IntegrityError(f"{where}: layers must be a list")
    artifact_type = data.get("artifactType") or ""
    if not isinstance(artifact_type, str):
        raise IntegrityError(f"{where}: artifactType must be a string")
    subject = data.get("subject")
    return Manifest(
        raw=raw,
        media_type=media_type,
        config=Descriptor.from_dict(data.get("config"), f"{where}: config"),
        layers=tuple(Descriptor.from_dict(d, f"{where}: layer {i}") for i, d in enumerate(layers)),
        artifact_type=artifact_type,
        annotations=_annotations(data.get("annotations"), where),
        subject=Descriptor.from_dict(subject, f"{where}: subject") if subject else None,
    )


def build_manifest(
    *,
    artifact_type: str = "",
    config: Descriptor,
    layers: Sequence[Descriptor],
    annotations: Mapping[str, str] | None = None,
    subject: Descriptor | None = None,
) -> Manifest:
    """Write an image manifest: compact JSON, fields in the spec's order, annotations sorted by key.

    Without an ``artifact_type`` it is a container image.

    Raises:
        InvalidInputError: It would be larger than registries must take.
    """
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_types.IMAGE_MANIFEST,
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": config.to_dict(),
        "layers": [layer.to_dict() for layer in layers],
    }
    if subject is not None:
        data["subject"] = subject.to_dict()
    if annotations:
        data["annotations"] = dict(sorted(annotations.items()))
    raw = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    if len(raw) > MAX_MANIFEST_BYTES - 1024:
        raise InvalidInputError(
            f"{len(layers)} layers make a manifest larger than registries must take ({MAX_MANIFEST_BYTES} bytes)",
            hint="put files into fewer entries (one may be a whole directory), or into several kits that one index "
            "names (kitops index)",
        )
    return parse_manifest(raw, "the new manifest")


def _annotations(data: Any, where: str) -> dict[str, str]:
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
        raise IntegrityError(f"{where}: annotations must map strings to strings")
    return data

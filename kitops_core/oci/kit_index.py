"""ModelKit indexes: one reference over the variants of a model (quantisations, hardware, languages).

An OCI image index whose entries carry ``modelMetadata``, an open map of JSON values. Its keys are the labels by which
a variant is chosen. What is read keeps its bytes; labels are kept as the JSON text they were written as.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kitops_core.errors import IntegrityError
from kitops_core.oci import media_types
from kitops_core.oci.json_text import compact, items, members
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest, sha256_digest
from kitops_core.wording import count_text

MAX_VARIANTS = 1000
"""How many entries an index may have."""

LABELS = "modelMetadata"
"""The field of an entry that has its labels."""


@dataclass(frozen=True)
class IndexEntry:
    """One entry of an index: a manifest, and what is said of it.

    Attributes:
        descriptor: The manifest's descriptor, with its annotations.
        labels: The labels, each as JSON text.
        raw: The entry's fields as JSON text, those unknown to us among them.
    """

    descriptor: Descriptor
    labels: Mapping[str, str]
    raw: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.descriptor.digest

    @property
    def tag(self) -> str:
        """The tag that the kit was added by, or an empty string where it was added by its digest."""
        return self.descriptor.annotations.get(media_types.ANNOTATION_ORIGINAL_TAG, "")

    @property
    def size(self) -> int | None:
        """Bytes of the kit's layers as the index says; ``None`` where it does not say."""
        text = self.descriptor.annotations.get(media_types.ANNOTATION_SIZE, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None

    @property
    def values(self) -> dict[str, Any]:
        """The labels as values."""
        return {key: json.loads(text) for key, text in self.labels.items()}

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations, without those that say the kit's tag and size."""
        said = (media_types.ANNOTATION_ORIGINAL_TAG, media_types.ANNOTATION_SIZE)
        return {key: value for key, value in self.descriptor.annotations.items() if key not in said}

    @property
    def is_kit(self) -> bool:
        """Whether it can be a kit: not another index."""
        return self.descriptor.media_type == media_types.IMAGE_MANIFEST

    def describe(self, name: str = "") -> str:
        """The variant on one line, for people: the tag it was added by, or its digest, and its labels."""
        named = f"{name}:{self.tag}" if self.tag and name else self.tag or self.digest
        labels = ", ".join(label_texts(self.labels)) or "no labels"
        return f"{named}  ({labels})"


@dataclass(frozen=True)
class KitIndex:
    """An index together with the exact bytes its digest is of.

    Attributes:
        raw: The bytes, as stored.
        entries: Its entries, in order.
        artifact_type: The artifact type; empty for a plain OCI index.
        annotations: Annotations of the index.
        subject: For a referrer, the manifest it refers to.
    """

    raw: bytes
    entries: tuple[IndexEntry, ...]
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None

    media_type = media_types.IMAGE_INDEX

    @cached_property
    def digest(self) -> str:
        """``sha256:<hex>`` of the bytes."""
        return sha256_digest(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The index's own descriptor."""
        return Descriptor(self.media_type, self.digest, len(self.raw), artifact_type=self.artifact_type)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """None: an index names manifests."""
        return ()

    @property
    def size(self) -> int:
        """Bytes of the variants' layers, as far as the index says."""
        return sum(entry.size or 0 for entry in self.entries)

    @property
    def is_modelkit_index(self) -> bool:
        """Whether it says that it is a ModelKit index; the reference CLI takes no other."""
        return self.artifact_type == media_types.MODELKIT_INDEX

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of its entries, each once."""
        return tuple(dict.fromkeys(entry.digest for entry in self.entries))

    def find(self, digest: str) -> IndexEntry | None:
        """The entry of a digest, if there is one."""
        return next((entry for entry in self.entries if entry.digest == digest), None)

    def check_no_index_within(self, where: str) -> None:
        """See that every entry can be a kit.

        Raises:
            IntegrityError: One is an index itself.
        """
        for entry in self.entries:
            if not entry.is_kit:
                raise IntegrityError(
                    f"{where}: the entry {entry.digest} is a {entry.descriptor.media_type}, and not a kit",
                    hint="an index of indexes is not supported: name the kits themselves",
                )


AnyManifest = Manifest | KitIndex
"""What a tag or digest can name: a kit or another artifact, or an index."""


def label_text(text: str) -> str:
    """A label for people, and for comparing: text as it is, everything else as JSON."""
    value = json.loads(text)
    return value if isinstance(value, str) else compact(text)


def label_texts(labels: Mapping[str, str]) -> list[str]:
    """Labels as ``key=value``, sorted by key."""
    return [f"{key}={label_text(text)}" for key, text in sorted(labels.items())]


def parse_any(raw: bytes, where: str, media_type: str = "") -> AnyManifest:
    """Read a manifest or an index; ``where`` names it in errors.

    Args:
        raw: The bytes.
        where: What they are of.
        media_type: What they were served as, for an index that does not say.

    Raises:
        IntegrityError: The bytes are neither.
    """
    if len(raw) <= MAX_MANIFEST_BYTES and b'"manifests"' in raw:
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict) and "config" not in data:
            said = data.get("mediaType") or media_type or media_types.IMAGE_INDEX
            if said == media_types.IMAGE_INDEX:
                return _parse_index(raw, data, where)
    return parse_manifest(raw, where)


def parse_index(raw: bytes, where: str) -> KitIndex:
    """Read an index; ``where`` names it in errors.

    Raises:
        IntegrityError: The bytes are no index.
    """
    found = parse_any(raw, where)
    if isinstance(found, KitIndex):
        return found
    raise IntegrityError(f"{where} is not an index")


def _parse_index(raw: bytes, data: dict[str, Any], where: str) -> KitIndex:
    if data.get("schemaVersion") != 2:
        raise IntegrityError(f"{where}: schemaVersion {data.get('schemaVersion')!r} is not 2")
    listed = data.get("manifests")
    if not isinstance(listed, list):
        raise IntegrityError(f"{where}: manifests must be a list")
    if len(listed) > MAX_VARIANTS:
        raise IntegrityError(f"{where} has {count_text(len(listed), 'entry')}; the limit is {MAX_VARIANTS}")
    artifact_type = data.get("artifactType") or ""
    if not isinstance(artifact_type, str):
        raise IntegrityError(f"{where}: artifactType must be a string")
    # Only now as text: json.loads has seen that it is JSON, and of which form.
    texts = [*items(members(_text(raw, where))["manifests"])]
    entries = tuple(
        _entry(entry, text, f"{where}: entry {number}")
        for number, (entry, text) in enumerate(zip(listed, texts, strict=True))
    )
    own = Descriptor.from_dict(
        {"mediaType": "", "digest": media_types.EMPTY_DIGEST, "size": 0, "annotations": data.get("annotations")}, where
    )
    subject = data.get("subject")
    return KitIndex(
        raw=raw,
        entries=entries,
        artifact_type=artifact_type,
        annotations=own.annotations,
        subject=Descriptor.from_dict(subject, f"{where}: subject") if subject else None,
    )


def _entry(data: Any, text: str, where: str) -> IndexEntry:
    descriptor = Descriptor.from_dict(data, where)
    raw = members(text)
    labels = data.get(LABELS)
    if labels is not None and not isinstance(labels, dict):
        raise IntegrityError(f"{where}: {LABELS} must be an object")
    return IndexEntry(descriptor, members(raw[LABELS]) if labels else {}, raw)


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise IntegrityError(f"{where}: the index is not UTF-8") from None

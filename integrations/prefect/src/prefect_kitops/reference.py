"""What tasks give each other: a kit pinned to its digest, small and plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from kitops_core.record import ModelKitRecord
    from kitops_core.reference import Reference

_ILLEGAL = " #?&%\"'<>[]{}|\\^`"
_LEGAL = str.maketrans(_ILLEGAL, "-" * len(_ILLEGAL))


class ModelKitRef(BaseModel):
    """A kit, pinned to its digest. Plain JSON, without secrets, and good as a task's result.

    Attributes:
        reference: The full reference with its tag, if it has one, and its digest.
        digest: The manifest's digest.
        repository: ``registry/repository``.
        tag: The tag it was packed, pushed or found under, or an empty string.
        tags: All tags that were given to it.
        size: Bytes of config and layers as stored.
        changed: Whether a tag moved to it.
        previous_digest: What the tag named before, or an empty string.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    digest: str
    repository: str
    tag: str = ""
    tags: tuple[str, ...] = ()
    size: int = 0
    changed: bool = False
    previous_digest: str = ""

    @property
    def asset_key(self) -> str:
        """The key of the Prefect asset this kit is a version of: ``oci://registry/repository``."""
        return asset_key(self.reference)

    def __str__(self) -> str:
        return self.reference

    @staticmethod
    def of(record: ModelKitRecord) -> ModelKitRef:
        """The kit that a record is about."""
        from dataclasses import replace

        from kitops_core.reference import parse_reference

        parsed = parse_reference(record.reference)
        return ModelKitRef(
            reference=str(replace(parsed, digest=record.digest)),
            digest=record.digest,
            repository=parsed.name,
            tag=record.tag,
            tags=record.tags,
            size=record.size,
            changed=record.changed,
            previous_digest=record.previous_digest,
        )


def asset_key(reference: str) -> str:
    """The key of the asset whose versions a reference names: the repository, without tag or digest.

    A tag is a pointer that moves and a digest would make an asset of every build, so both are metadata.

    Raises:
        InvalidReferenceError: ``reference`` does not follow the grammar.
    """
    from kitops_core.reference import parse_reference

    return key_of(parse_reference(reference))


def key_of(reference: Reference) -> str:
    """As :func:`asset_key`, of a reference that was read already."""
    place = reference.layout or f"{reference.registry}/{reference.repository}"
    return f"oci://{place.translate(_LEGAL)}"

"""What tasks give each other: a kit pinned to its digest, small and plain JSON."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict

import kitops_core as kitops
from kitops_core.orchestrate.names import asset_key


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
        moved: Those of its tags that moved to it or are new.
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
    moved: tuple[str, ...] = ()
    previous_digest: str = ""

    @property
    def asset_key(self) -> str:
        """The key of the Prefect asset this kit is a version of: ``oci://registry/repository``."""
        return asset_key(kitops.parse_reference(self.reference))

    def __str__(self) -> str:
        return self.reference

    @staticmethod
    def of(record: kitops.ModelKitRecord) -> ModelKitRef:
        """The kit that a record is about."""
        parsed = kitops.parse_reference(record.reference)
        return ModelKitRef(
            reference=str(replace(parsed, digest=record.digest)),
            digest=record.digest,
            repository=parsed.name,
            tag=record.tag,
            tags=record.tags,
            size=record.size,
            changed=record.changed,
            moved=record.moved,
            previous_digest=record.previous_digest,
        )

    @staticmethod
    def in_channel(promotion: kitops.Promotion) -> ModelKitRef:
        """The kit of a promotion as the channel has it."""
        kit = ModelKitRef.of(promotion.kit)
        moved = (kit.tag,) if promotion.changed and kit.tag else ()
        changes = {"previous_digest": promotion.previous_digest, "changed": promotion.changed, "moved": moved}
        return kit.model_copy(update=changes)

"""What a promotion did, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kitops_core.promotion.gate_result import GateResult
from kitops_core.record import ModelKitRecord

if TYPE_CHECKING:
    from kitops_core.kits.diff import KitDiff


@dataclass(frozen=True)
class Promotion:
    """What a promotion or rollback did, or with ``dry_run`` would do.

    Attributes:
        action: ``promote`` or ``rollback``.
        channel: The channel.
        reference: The channel's target with its tag, pinned to the digest.
        digest: The kit's digest.
        previous_digest: What the channel's tag pointed at before, or an empty string.
        changed: Whether the tag moved.
        gates: What every gate said.
        kit: The kit's record.
        record: Digest of the promotion record that was attached; empty where nothing was done.
        tags: Version tags that the kit has in the target's repository.
        dry_run: Whether nothing was to be done.
        diff: What differs from the kit the channel has, where that was asked for by ``dry_run``.
    """

    action: Literal["promote", "rollback"]
    channel: str
    reference: str
    digest: str
    previous_digest: str
    changed: bool
    gates: tuple[GateResult, ...]
    kit: ModelKitRecord
    record: str = ""
    tags: tuple[str, ...] = ()
    dry_run: bool = False
    diff: KitDiff | None = None

    @property
    def refused(self) -> tuple[GateResult, ...]:
        """The gates that refused."""
        return tuple(gate for gate in self.gates if not gate.passed)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "action": self.action,
            "channel": self.channel,
            "reference": self.reference,
            "digest": self.digest,
            "previous_digest": self.previous_digest,
            "changed": self.changed,
            "refused": bool(self.refused),
            "gates": [gate.to_dict() for gate in self.gates],
            "record": self.record,
            "tags": list(self.tags),
            "dry_run": self.dry_run,
            "diff": self.diff.to_dict() if self.diff else None,
            "kit": self.kit.to_dict(),
        }

"""What lineage is told of a verb: what it made, of what, and for which run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from kitops_core.evidence.inputs import Input
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import Reference

Verb = Literal["pack", "assemble", "import", "index", "promote", "rollback"]
State = Literal["START", "COMPLETE", "FAIL", "ABORT"]


@dataclass(frozen=True)
class Operation:
    """What a verb that makes or moves a kit has done by now, as lineage is told it.

    Attributes:
        verb: ``pack``, ``assemble``, ``import``, ``index``, ``promote`` or ``rollback``.
        target: Where the kit goes.
        run: The pipeline run that works; empty where a person does.
        channel: The channel of a promotion or rollback.
        state: ``START``, then ``COMPLETE``, ``FAIL``, or ``ABORT`` for what was cancelled.
        id: What the operation has from its start to its end, a UUID.
        started: When it began.
        time: When the state was reached.
        record: What was made.
        inputs: What it was made from, kits pinned to their digests.
        metrics: Figures that were measured, by name.
        statements: Predicate types of what was said of the kit.
        signed: Whether that was signed.
        promotion: Of a promotion: ``previous_digest``, ``changed``, ``record`` and ``gates``.
        error: Why it failed, without secrets.
    """

    verb: Verb
    target: Reference
    run: Source
    channel: str = ""
    state: State = "START"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    record: ModelKitRecord | None = None
    inputs: Sequence[Input] = ()
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    statements: Sequence[str] = ()
    signed: bool = False
    promotion: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

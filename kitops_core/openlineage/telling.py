"""How verbs tell what they do: a block around the work, which says that it began, and how it ended.

Where nobody listens this costs a look at the environment and two files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kitops_core.errors import CancelledError, InvalidReferenceError, KitOpsError
from kitops_core.evidence.secrets import redact_text
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.evidence.pack_evidence import PackEvidence
    from kitops_core.openlineage.operation import Operation, State, Verb
    from kitops_core.openlineage.sending import Sender
    from kitops_core.record import ModelKitRecord

_FILE = "openlineage.yml"
_LOCK = threading.Lock()
_SENDERS: WeakKeyDictionary[Session, Sender] = WeakKeyDictionary()
"""Who sends for a session, made when the first of its verbs has something to tell."""


class Telling:
    """Takes what a verb finds out; what is never said is not told."""

    def __init__(self, operation: Operation | None = None) -> None:
        self.operation = operation

    def say(self, **known: Any) -> None:
        """Fields of the :class:`~kitops_core.openlineage.operation.Operation` that are known now."""
        if self.operation is not None:
            self.operation = replace(self.operation, **known)

    def made(
        self, record: ModelKitRecord, evidence: PackEvidence, further: Callable[[], Sequence[Input]] = tuple
    ) -> None:
        """A kit, and what is said of how it was made.

        Args:
            record: The kit.
            evidence: What was attached to it.
            further: Gives what it was made from beside the inputs that the evidence names; asked where it is told.
        """
        if self.operation is None:
            return
        from kitops_core.evidence.predicate_types import TEST_RESULT

        kits = []
        for parent in record.parents:
            with suppress(InvalidReferenceError):  # who packs may say anything, and it is in the record as it is
                kits.append(kit_of(parse_reference(parent)))
        figures = (said["metrics"] for predicate_type, said, _ in evidence.statements if predicate_type == TEST_RESULT)
        self.say(
            record=record,
            run=evidence.source,
            inputs=(*evidence.inputs, *kits, *further()),
            metrics=next(figures, {}),
            statements=tuple(predicate_type for predicate_type, _, _ in evidence.statements),
            signed=evidence.key is not None,
        )


def kit_of(reference: Reference) -> Input:
    """A kit that is there, wherever it is; a layout's is in a directory of this machine."""
    from kitops_core.evidence.inputs import Input, kit_input

    if not reference.layout:
        return kit_input(reference)
    algorithm, _, value = reference.digest.partition(":")
    return Input(Path(reference.layout).absolute().as_uri(), {algorithm: value} if value else {})


@contextmanager
def telling(session: Session, verb: Verb, target: Reference, channel: str = "") -> Iterator[Telling]:
    """Tell lineage of the work in the block: that it began, and that it is complete, has failed or was cancelled.

    Args:
        session: Who works.
        verb: What is done.
        target: Where the kit goes.
        channel: The channel of a promotion or rollback.
    """
    listener = _listener(session)
    if listener is None:
        yield Telling()
        return
    from kitops_core.openlineage.operation import Operation

    told = Telling(Operation(verb, target, session.run, channel))

    def tell(state: State, error: str = "") -> None:
        told.say(state=state, time=datetime.now(timezone.utc), error=error)
        listener(told.operation)

    listener(told.operation)
    try:
        yield told
    except BaseException as error:
        stopped = isinstance(error, CancelledError) or not isinstance(error, Exception)
        tell("ABORT" if stopped else "FAIL", _why(error))
        raise
    tell("COMPLETE")


def configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether something looks like a configuration of OpenLineage's, which its client then reads by its own rules."""
    if environment.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OPENLINEAGE_URL") or any(name.startswith("OPENLINEAGE__TRANSPORT") for name in environment):
        return True
    places = (environment.get("OPENLINEAGE_CONFIG"), _FILE, os.path.expanduser(f"~/.openlineage/{_FILE}"))
    return any(place and Path(place).is_file() for place in places)


def _listener(session: Session) -> Callable[[Any], None] | None:
    if session.on_lineage is not None:
        return session.on_lineage
    if not configured():
        return None
    from importlib.util import find_spec

    if find_spec("openlineage") is None or find_spec("openlineage.client") is None:
        return None
    from kitops_core.openlineage.sending import Sender

    with _LOCK:
        sender = _SENDERS.get(session)
        if sender is None or sender.process != os.getpid():
            sender = _SENDERS[session] = Sender(session.control)
        if sender.close not in session.at_close:
            session.at_close.append(sender.close)
        return sender


def _why(error: BaseException) -> str:
    """One line about an error, without secrets: this project's own say it all, of others the name as well."""
    text = error.message if isinstance(error, KitOpsError) else f"{type(error).__name__}: {error}"
    return redact_text(" ".join(text.split()))

"""What an init container does: put a kit's files into a directory that is mounted, and say when they are all there."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.events import Control
from kitops_core.layers.publish import Existing
from kitops_core.reference import parse_reference
from kitops_core.serving.lease import STALE_SECONDS, Lease, take_turn
from kitops_core.serving.materialize import is_pinned_to
from kitops_core.serving.mount import Mount, clear
from kitops_core.serving.releases import Release
from kitops_core.serving.resolved import ResolvedKit, Selection
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.evidence.verification import VerificationPolicy


@dataclass(frozen=True)
class Initialized:
    """A directory with a kit's files.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Its digest.
        directory: The directory.
        fetched: Whether this call fetched it; it was there already otherwise.
        files: How many files it has there.
        size: Their bytes.
    """

    reference: str
    digest: str
    directory: str
    fetched: bool
    files: int
    size: int


def initialize_storage(
    session: Session,
    reference: str,
    directory: str | os.PathLike[str],
    *,
    selection: Selection | None = None,
    existing: Existing = "refuse",
    max_ratio: int | None = None,
    verify: VerificationPolicy | None = None,
    stale_after: float = STALE_SECONDS,
) -> Initialized:
    """See :meth:`kitops_core.Client.initialize_storage`."""
    wanted = selection or Selection()
    mount = Mount(directory)
    with ExitStack() as stack:

        def resolve() -> ResolvedKit:
            return stack.enter_context(ResolvedKit(session, reference, wanted, verify=verify, where="registry"))

        pinned = parse_reference(reference).digest if verify is None else ""
        held = mount.held()
        known = held if pinned and held is not None and is_pinned_to(held, pinned, wanted) else None
        kit = None if known else resolve()
        identity = known.identity if known else kit.identity if kit else None

        def ready() -> Initialized | None:
            held = mount.held()
            if held is None or held.identity != identity:
                return None
            return _result(held, mount, fetched=False)

        def work(lease: Lease, control: Control) -> Initialized:
            mount.recover(lease)
            held = mount.marked()
            if held is not None and held.identity == identity:
                return _result(held, mount, fetched=False)
            source = kit or resolve()
            scratch = mount.scratch(lease.token)
            try:
                fetched, _ = source.fetch(scratch, max_ratio=max_ratio, control=control)
                control.check()
                described = Release(
                    fetched, source.reference, source.storage, source.identity, source.is_pinned, source.parameters, {}
                )
                release = mount.put(scratch, fetched, described, lease, existing)
                return _result(release, mount, fetched=True)
            finally:
                clear(scratch)

        return take_turn(mount.place, ready, work, control=session.control, stale_after=stale_after)


def _result(release: Release, mount: Mount, *, fetched: bool) -> Initialized:
    return Initialized(
        reference=release.reference,
        digest=release.identity.digest,
        directory=str(mount.directory),
        fetched=fetched,
        files=len(release.files),
        size=sum(release.files.values()),
    )

"""Materialize: a directory that a server can load, fetched once, verified, shown all at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.reference import Where, parse_reference
from kitops_core.serving.lease import STALE_SECONDS, Lease, remove_tree, take_turn
from kitops_core.serving.releases import SCRATCH, Release, Releases
from kitops_core.serving.resolved import ResolvedKit, Selection
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.evidence.verification import VerificationPolicy


@dataclass(frozen=True)
class Materialized:
    """A directory that is ready to be served.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Its digest.
        directory: The directory, absolute: a symbolic link that a later kit may move.
        release: What it shows now: the directory with this very kit.
        storage: Which storage it came from: ``registry``, ``local store`` or ``layout``.
        fetched: Whether this call fetched it; it was there already otherwise.
        changed: Whether the directory showed something else, or nothing, before.
        files: How many files it holds.
        size: Their bytes.
    """

    reference: str
    digest: str
    directory: str
    release: str
    storage: str
    fetched: bool
    changed: bool
    files: int
    size: int

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return dict(vars(self))


def materialize(
    session: Session,
    reference: str,
    to: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    keep_paths: bool = False,
    keep: int = 1,
    max_ratio: int | None = None,
    verify: VerificationPolicy | None = None,
    stale_after: float = STALE_SECONDS,
    where: Where = "any",
) -> Materialized:
    """See :meth:`kitops_core.Client.materialize`."""
    if keep < 0 or stale_after <= 0:
        raise InvalidInputError("keep must not be negative, and stale_after must be positive")
    selection = Selection.of(only, keep_paths)
    releases = Releases(to)
    with ExitStack() as stack:

        def resolve() -> ResolvedKit:
            return stack.enter_context(ResolvedKit(session, reference, selection, verify=verify, where=where))

        pinned = parse_reference(reference).digest if verify is None else ""
        known = releases.find(lambda release: is_pinned_to(release, pinned, selection)) if pinned else None
        kit = None if known else resolve()
        identity = known.identity if known else kit.identity if kit else None

        def ready() -> Materialized | None:
            shown = releases.shown()
            if shown is None or shown.identity != identity or not shown.is_whole():
                return None
            return _result(shown, releases, fetched=False, changed=False)

        def work(lease: Lease, control: Control) -> Materialized:
            lease.sweep(SCRATCH)
            found = releases.find(lambda release: release.identity == identity)
            release = found or _fetch(kit or resolve(), releases, lease, max_ratio, control)
            control.check()
            changed = releases.show(release)
            releases.prune(keep)
            return _result(release, releases, fetched=found is None, changed=changed)

        return take_turn(releases.place, ready, work, control=session.control, stale_after=stale_after)


def is_pinned_to(release: Release, digest: str, selection: Selection) -> bool:
    """Whether a release is what a digest alone asks for, so that nothing needs to be looked up."""
    return release.pinned and release.identity.digest == digest and release.identity.selection == selection


def _fetch(kit: ResolvedKit, releases: Releases, lease: Lease, max_ratio: int | None, control: Control) -> Release:
    scratch = releases.scratch(lease.token)
    try:
        fetched, _ = kit.fetch(scratch, max_ratio=max_ratio, control=control)
        control.check()
        described = Release(fetched, kit.reference, kit.storage, kit.identity, kit.is_pinned, kit.parameters, {})
        return releases.add(scratch, fetched, described)
    finally:
        remove_tree(scratch)


def _result(release: Release, releases: Releases, *, fetched: bool, changed: bool) -> Materialized:
    return Materialized(
        reference=release.reference,
        digest=release.identity.digest,
        directory=str(releases.link),
        release=str(release.path),
        storage=release.storage,
        fetched=fetched,
        changed=changed,
        files=len(release.files),
        size=sum(release.files.values()),
    )

"""Collect: what kits no longer need, what processes that died left, and kits that nobody pushed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kitops_core.kits.remove import remove_all
from kitops_core.session import Session
from kitops_core.staged import UNPUSHED, sweep_scratch

if TYPE_CHECKING:
    from kitops_core.storage.local import GcReport, LocalStore


def gc(
    session: Session, *, grace_seconds: float, dry_run: bool = False, unpushed_seconds: float | None = None
) -> GcReport:
    """See :meth:`kitops_core.Client.gc`."""
    from kitops_core.storage.local import collect_garbage

    swept = sweep_scratch(dry_run=dry_run)
    store = session.store
    unpushed = [name for name in store.repositories() if name.partition("/")[2].startswith(UNPUSHED)]
    given_up = [] if unpushed_seconds is None else [name for name in unpushed if _age(store, name) > unpushed_seconds]
    if given_up and not dry_run:
        remove_all(session, tagged=True, names=given_up)
    report = collect_garbage(store, grace_seconds, dry_run, control=session.control)
    return replace(
        report,
        freed=report.freed + swept.size,
        staged=swept.directories,
        unpushed=tuple(name.partition("/")[2] for name in unpushed if name not in given_up),
        given_up=tuple(name.partition("/")[2] for name in given_up),
    )


def _age(store: LocalStore, name: str) -> float:
    """Seconds since something was kept in a repository last; none where it is gone meanwhile."""
    try:
        return time.time() - store.files.tags_path(name).stat().st_mtime
    except OSError:
        return 0.0

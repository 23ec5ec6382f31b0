"""Automation conditions that look at what is in a kit, where Dagster's own look at whether something ran."""

from __future__ import annotations

from typing import Any

import dagster as dg


def kits_changed() -> dg.AutomationCondition[Any]:
    """As ``AutomationCondition.eager()``, but only when a kit upstream has another digest.

    A run that packs the same contents again asks for nothing downstream.
    """
    eager = dg.AutomationCondition.eager()
    return eager.replace("newly_updated", dg.AutomationCondition.data_version_changed()).with_label("kits_changed")


def promote_when_verified() -> dg.AutomationCondition[Any]:
    """When a kit upstream has another digest, as soon as all blocking checks on it have passed.

    A candidate whose checks failed waits; it is asked for when they pass, not when the next run comes. One that comes
    as a promotion ends is not lost: only asking for it settles it. To promote what is in the channel already does
    nothing, so asking once more than needed does no harm.
    """
    changed = dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.newly_missing()
    came = dg.AutomationCondition.any_deps_match(changed)
    settled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.initial_evaluation()
    # Dagster's since() forgets what comes in the very evaluation that settles it: count that as well.
    waiting = came | came.since(settled) | dg.AutomationCondition.missing()
    return (
        waiting
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("promote_when_verified")

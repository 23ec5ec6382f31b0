"""A schedule for promotions: while nothing can be promoted a tick is skipped, and says why."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from dagster_kitops.checks import Asset, asset_key
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.promotion import SKIP_TAG, channels_of, unchecked
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import latest_kit


def promotion_schedule(
    candidate: Asset,
    policy: str | Path = "promotion.yaml",
    *,
    cron_schedule: str,
    to: Sequence[str] = (),
    checks: Sequence[dg.AssetChecksDefinition] = (),
    name: str = "",
    execution_timezone: str | None = None,
    kitops_key: str = KITOPS_KEY,
) -> dg.ScheduleDefinition:
    """A schedule that promotes what may be promoted, of the channels that :func:`promotion_assets` made.

    A candidate that is not there yet, that a check has not passed, or that a gate refuses (it soaks, or waits for
    approvals) fails no run: the tick is skipped with the reasons, or the run leaves that channel out.

    Args:
        candidate: The asset that packs the kit.
        policy: The promotion policy's file.
        cron_schedule: When.
        to: Only these channels; by default all.
        checks: The checks that the channels' assets were given.
        name: The schedule's name; by default it names the candidate.
        execution_timezone: The time zone; by default UTC.
        kitops_key: The resource key of the KitOpsResource.

    Raises:
        PolicyError: The policy cannot be used.
        NotFoundError: There is no such file or channel.
    """
    root = asset_key(candidate)
    path = Path(policy).absolute()
    upstream = channels_of(path, to)
    keys = {channel: dg.AssetKey([*root.path, channel]) for channel in upstream}
    needed = [key for definition in checks for key in definition.check_keys]
    title = name or f"promote_{root.to_python_identifier()}_when_ready"

    def waits(instance: dg.DagsterInstance, resource: KitOpsResource, channel: str) -> str:
        """Why a channel's candidate is not promoted; empty where it may be."""
        before = keys.get(upstream[channel], root)
        kit = latest_kit(instance, before)
        if kit is None or not kit.reference:
            return f"{before.to_user_string()} has no kit yet"
        if before == root and (problem := unchecked(instance, needed, kit)):
            return problem
        with resource.client() as client:
            planned = client.promote(kit.pinned, channel, policy=path, dry_run=True)
        if planned.refused:
            return "; ".join(f"{gate.name}: {gate.detail}" if gate.detail else gate.name for gate in planned.refused)
        return "" if planned.digest != planned.previous_digest else f"it has {planned.digest} already"

    @dg.schedule(
        name=title,
        target=dg.AssetSelection.assets(*keys.values()),
        cron_schedule=cron_schedule,
        execution_timezone=execution_timezone,
        required_resource_keys={kitops_key},
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        chosen: list[str] = []
        reasons: list[str] = []
        for channel in upstream:
            if upstream[channel] in chosen:  # its candidate comes in this very run
                chosen.append(channel)
            elif problem := waits(context.instance, resource, channel):
                reasons.append(f"{channel}: {problem}")
            else:
                chosen.append(channel)
        if not chosen:
            return dg.SkipReason("; ".join(reasons))
        return dg.RunRequest(asset_selection=[keys[channel] for channel in chosen], tags={SKIP_TAG: "true"})

    return schedule

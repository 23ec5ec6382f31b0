"""What became of all channels of a policy, as a job that promotes them tells it: plain JSON, texts, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_core.orchestrate.markdown import MAX_ROWS, code, plain, table
from kitops_core.orchestrate.metadata import plain_json

if TYPE_CHECKING:
    from kitops_core.promotion.promote_all import ChannelOutcome, Outcome, PromotedAll

TOLD: tuple[Outcome, ...] = ("failed", "refused", "promoted")
"""The outcomes whose channels are told of one by one; of others, which most have, only how many there are."""


def promoted_metadata(done: PromotedAll) -> dict[str, Any]:
    """What became of all channels, as plain JSON that does not grow with those that stayed.

    Returns:
        ``counts`` by outcome, ``dry_run``, and under ``promoted``, ``refused`` and ``failed`` a list of channels, each
        with ``kit``, ``channel``, ``digest`` (what it has now), ``previous_digest`` and ``record`` of what moved, and
        ``reason`` of what did not.
    """
    counts: dict[str, int] = {}
    for one in done.outcomes:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    found: dict[str, Any] = {outcome: [_channel(one) for one in done.having(outcome)] for outcome in TOLD}
    return {"dry_run": done.dry_run, "counts": counts, **found}


def promoted_wrong(found: Mapping[str, Any], *, refused_too: bool = True) -> str:
    """Which channels failed, or were refused, and why, for the error that a run ends with; empty where none was.

    Args:
        found: What :func:`promoted_metadata` gave.
        refused_too: Whether what a gate refused is wrong, and not only what failed.
    """
    wrong = [(outcome, one) for outcome in ("failed", "refused")[: 1 + refused_too] for one in found[outcome]]
    if not wrong:
        return ""
    lines = [_line(one["channel"], one["kit"], outcome, one["reason"]) for outcome, one in wrong[:MAX_ROWS]]
    more = [f"and {len(wrong) - MAX_ROWS} more"] if len(wrong) > MAX_ROWS else []
    return "\n".join([f"{len(wrong)} of {sum(found['counts'].values())} channels went wrong", *lines, *more])


def outcome_text(one: ChannelOutcome) -> str:
    """What became of a channel that did not move, in one line."""
    return _line(one.channel, one.kit, one.outcome, one.reason)


def promoted_text(done: PromotedAll) -> str:
    """Every channel that moved, that a gate refused or that failed, as Markdown, and how many there are of the others.

    Args:
        done: What became of all channels.
    """
    told = [one for outcome in TOLD for one in done.having(outcome)]
    rows = [(one.outcome, code(one.kit), plain(one.channel), plain(one.reason) or code(one.digest)) for one in told]
    others = [f"{len(found)} {outcome}" for outcome in ("unchanged", "empty") if (found := done.having(outcome))]
    return "\n".join([*table(("", "kit", "channel", ""), rows), ", ".join(others)]).rstrip()


def _line(channel: str, kit: str, outcome: str, reason: str) -> str:
    return f"{channel} of {kit} {outcome}: {reason}"


def _channel(one: ChannelOutcome) -> dict[str, Any]:
    moved = one.promotion if one.outcome == "promoted" else None
    before = {"previous_digest": moved.previous_digest, "record": moved.record} if moved else {"reason": one.reason}
    said: dict[str, Any] = plain_json({"kit": one.kit, "channel": one.channel, "digest": one.digest, **before})
    return said

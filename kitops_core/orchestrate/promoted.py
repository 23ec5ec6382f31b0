"""What people read about the promotion of all kits of a policy: what moved, and what did not and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_core.orchestrate.markdown import MAX_ROWS, code, plain, table
from kitops_core.wording import count_text

if TYPE_CHECKING:
    from kitops_core.promotion.promote_all import ChannelOutcome, PromotedAll


def promoted_text(done: PromotedAll) -> str:
    """Every channel that moved, that a gate refused or that failed, as Markdown, and how many there are of the others.

    Args:
        done: What became of all channels.
    """
    told = [*_wrong(done), *done.having("promoted")]
    rows = [(one.outcome, code(one.kit), plain(one.channel), plain(one.reason) or code(one.digest)) for one in told]
    others = [f"{len(found)} {outcome}" for outcome in ("unchanged", "empty") if (found := done.having(outcome))]
    return "\n".join([*table(("", "kit", "channel", ""), rows), ", ".join(others)]).rstrip()


def not_promoted(done: PromotedAll) -> str:
    """What a gate refused and what failed, a line for each, for the error that a run ends with; else empty.

    Args:
        done: What became of all channels.
    """
    wrong = _wrong(done)
    if not wrong:
        return ""
    lines = [f"{one.kit} to {one.channel} {one.outcome}: {one.reason}" for one in wrong[:MAX_ROWS]]
    more = [f"and {len(wrong) - MAX_ROWS} more"] if len(wrong) > MAX_ROWS else []
    return "\n".join(
        [f"{len(wrong)} of {count_text(len(done.outcomes), 'promotion')} did not go ahead:", *lines, *more]
    )


def _wrong(done: PromotedAll) -> tuple[ChannelOutcome, ...]:
    return (*done.having("failed"), *done.having("refused"))

"""``kitops history``."""

from __future__ import annotations

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer_json, answer_table
from kitops_core.cli.promoting import policy_option, record_rows
from kitops_core.cli.settings import Settings

_HEADER = ("TIME", "ACTION", "CHANNEL", "DIGEST", "BY", "SIGNED", "NOTE")


@new_command("history", network=True)
@kit_argument("channel")
@policy_option
def command(settings: Settings, channel: str, policy: str, as_json: bool) -> None:
    """Show what was promoted into CHANNEL, the last first, or with a reference instead the records of that ModelKit.

    It is read from the registry alone, in the order in which each promotion followed the one before; the times are
    those of the machines that promoted. A gap is named. A promotion that another one overwrote at once, or that
    something else undid, is marked as overwritten.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.promotion.history import is_kit

    with connect(settings) as client:
        records = client.history(channel, policy=policy)
    if as_json:
        answer_json([record.to_dict() for record in records])
    else:
        checked = not is_kit(channel)
        answer_table(_HEADER, [row for record in records for row in record_rows(record, checked=checked)])

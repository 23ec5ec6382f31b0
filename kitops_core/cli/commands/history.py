"""``kitops history``."""

from __future__ import annotations

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer_json, answer_table
from kitops_core.cli.promoting import policy_option, record_row
from kitops_core.cli.settings import Settings

_HEADER = ("TIME", "ACTION", "CHANNEL", "DIGEST", "BY", "SIGNED", "NOTE")


@new_command("history", network=True)
@kit_argument("channel")
@policy_option
def command(settings: Settings, channel: str, policy: str, as_json: bool) -> None:
    """Show what was promoted into CHANNEL, newest first, or with a reference in its place the records of that ModelKit.

    It is read from the registry alone. Records of promotions that did not take effect are left out of a channel's
    history.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.promotion.history import is_kit

    with connect(settings) as client:
        records = client.history(channel, policy=policy)
    if as_json:
        answer_json([record.to_dict() for record in records])
    else:
        checked = not is_kit(channel)
        answer_table(_HEADER, [record_row(record, checked=checked) for record in records])

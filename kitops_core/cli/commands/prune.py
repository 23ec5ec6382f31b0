"""``kitops prune``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_rows, count_text, size_text
from kitops_core.cli.promoting import policy_option
from kitops_core.cli.settings import Settings
from kitops_core.wording import timestamp_text


@new_command("prune", network=True)
@click.argument("channel", metavar="[CHANNEL]", required=False, default="")
@policy_option
@click.option("--delete", is_flag=True, help="Remove them; otherwise they are only shown.")
def command(settings: Settings, channel: str, policy: str, delete: bool, as_json: bool) -> None:
    """Show the ModelKits that were in a channel once and that its retention no longer keeps; remove them with --delete.

    A ModelKit stays while any channel has it or may go back to it, while another tag points at it, and while one that
    stays was made from it. Records stay, so that the history can still be read.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        found = client.prune(channel, policy=policy, dry_run=not delete)
    if as_json:
        answer_json([kit.to_dict() for kit in found])
        return
    done = "removed" if delete else "would remove"
    answer_rows(
        [(done, kit.channel, kit.reference, size_text(kit.size), f"until {timestamp_text(kit.left)}") for kit in found]
    )
    answer(count_text(len(found), "ModelKit") + ("" if delete or not found else "; --delete removes them"))

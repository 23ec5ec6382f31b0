"""``kitops promote``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.promoting import answer_promotion, promoter, promotion_options, show_gates
from kitops_core.cli.settings import Settings


@new_command("promote", network=True, signs=True)
@kit_argument(required=False, default="")
@click.option("--to", "channel", required=True, metavar="CHANNEL", help="The channel to promote into.")
@promotion_options
def command(
    settings: Settings,
    reference: str,
    channel: str,
    policy: str,
    expect: str,
    dry_run: bool,
    sign_key: str | None,
    actor: str,
    note: str,
    as_json: bool,
) -> None:
    """Promote the ModelKit REFERENCE into a channel, by digest, through the channel's gates.

    REFERENCE may be a channel's name; without it, what the channel's upstream has now is promoted. The digest stays the
    same; signatures and attestations go along. Exit codes: 9 a gate refused, 10 the channel's tag was moved by another
    writer or is not what --expect says, 4 not found, 5 denied. After any of them the tag is as it was.
    """
    from kitops_core.cli.transfer import connect

    with show_gates(as_json), connect(settings, **promoter(sign_key, actor)) as client:
        result = client.promote(
            reference,
            channel,
            policy=policy,
            expect=expect,
            dry_run=dry_run,
            note=note,
        )
    answer_promotion(result, as_json)

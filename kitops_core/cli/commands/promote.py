"""``kitops promote``."""

from __future__ import annotations

import sys

import click

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.promoting import answer_all, answer_promotion, promoter, promotion_options, show_gates
from kitops_core.cli.settings import Settings


@new_command("promote", network=True, signs=True)
@kit_argument(required=False, default="")
@click.option("--to", "channel", metavar="CHANNEL", default="", help="The channel to promote into.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Promote into every channel what its upstream has, for all kits of the policy; with --to only into that one.",
)
@promotion_options
def command(
    settings: Settings,
    reference: str,
    channel: str,
    everything: bool,
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

    With --all what one gate refuses holds up nothing else. Exit codes: 0 nothing was refused, 9 a gate refused
    something, that of the first promotion that failed where one did.
    """
    if everything and (reference or expect):
        raise click.UsageError("--all promotes what each channel's upstream has: give no kit, and no --expect")
    if not everything and not channel:
        raise click.UsageError("say where to: --to CHANNEL, or --all")
    from kitops_core.cli.transfer import connect

    if everything:
        with connect(settings, **promoter(sign_key, actor)) as client:
            done = client.promote_all(policy, to=[channel] if channel else (), dry_run=dry_run, note=note)
        answer_all(done, as_json)
        sys.exit(done.exit_code)
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

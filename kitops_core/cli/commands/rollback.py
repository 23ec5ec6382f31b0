"""``kitops rollback``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.promoting import answer_promotion, promoter, promotion_options, show_gates
from kitops_core.cli.settings import Settings


@new_command("rollback", network=True, signs=True)
@click.argument("channel", metavar="CHANNEL")
@click.option("--to", metavar="DIGEST", default="", help="Go back to this digest, which a record says was there.")
@promotion_options
def command(
    settings: Settings,
    channel: str,
    to: str,
    policy: str,
    expect: str,
    dry_run: bool,
    sign_key: str | None,
    actor: str,
    note: str,
    as_json: bool,
) -> None:
    """Promote the ModelKit again that CHANNEL had before, and record that as a rollback.

    A second rollback goes one further back. Exit codes are those of `kitops promote`.
    """
    from kitops_core.cli.transfer import connect

    with show_gates(as_json), connect(settings, **promoter(sign_key, actor)) as client:
        result = client.rollback(
            channel,
            to=to,
            policy=policy,
            expect=expect,
            dry_run=dry_run,
            note=note,
        )
    answer_promotion(result, as_json)

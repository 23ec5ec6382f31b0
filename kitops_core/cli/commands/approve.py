"""``kitops approve``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer, answer_json
from kitops_core.cli.promoting import actor_option, note_option, policy_option, promoter
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import sign_key_option


@new_command("approve", network=True, signs=True)
@kit_argument(required=False, default="")
@click.option("--to", "channel", required=True, metavar="CHANNEL", help="The channel the ModelKit may go into.")
@sign_key_option("The approver's private key (PEM, or env://NAME).", required=True)
@policy_option
@actor_option
@note_option
def command(
    settings: Settings, reference: str, channel: str, sign_key: str, policy: str, actor: str, note: str, as_json: bool
) -> None:
    """Approve the ModelKit REFERENCE for a channel: attach a signed statement about its digest and the channel.

    REFERENCE may be a channel's name; without it, what the channel's upstream has now is approved. The channel's
    `approvals` must name the public half of the key.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings, **promoter(sign_key, actor)) as client:
        evidence = client.approve(reference, channel, policy=policy, note=note)
    if as_json:
        answer_json({"channel": channel, "digest": evidence.subject, "approval": evidence.digest})
    else:
        answer("approved", evidence.subject, f"for {channel}")

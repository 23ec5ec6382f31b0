"""``kitops channels``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from kitops_core.cli.options import duration, new_command
from kitops_core.cli.output import answer, answer_json, answer_table, answer_text, warn
from kitops_core.cli.promoting import policy_option
from kitops_core.cli.settings import Settings
from kitops_core.errors import CancelledError
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.promotion.channels import ChannelState

_HEADER = ("CHANNEL", "DIGEST", "NAME", "VERSION", "SINCE", "BY", "WAITING")


@new_command("channels", network=True)
@policy_option
@click.option("--watch", is_flag=True, help="Show them again whenever something changed, until it is interrupted.")
@click.option(
    "--every",
    type=duration,
    metavar="DURATION",
    default="10s",
    show_default=True,
    help="With --watch, how often to look.",
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of the promotion policy instead, for editors.")
def command(settings: Settings, policy: str, watch: bool, every: float, schema: bool, as_json: bool) -> None:
    """Show what is in each channel, since when, and what waits in its upstream.

    A tag that is not where the last promotion put it is named as drift.
    """
    if schema:
        from kitops_core.promotion.schema import schema_text

        answer_text(schema_text())
    elif watch:
        _watch(settings, policy, every, as_json)
    else:
        from kitops_core.cli.transfer import connect

        with connect(settings) as client:
            found = client.channels(policy)
        _show(settings, found, as_json)


def _watch(settings: Settings, policy: str, every: float, as_json: bool) -> None:
    """Show the channels, and again when they are not as they were; a terminal is cleared before each look."""
    from kitops_core.cli.progress import reporter
    from kitops_core.cli.transfer import stoppable
    from kitops_core.promotion.policy_file import load_policy

    load_policy(policy)  # what is wrong with it is told before anything is shown
    terminal = sys.stdout.isatty() and not as_json
    shown: Sequence[ChannelState] | None = None
    with (
        stoppable() as cancel,
        reporter(settings, "sent") as on_event,
        settings.client(on_event=on_event, cancel=cancel) as client,
    ):
        while True:
            found = client.channels(policy)
            if terminal:
                click.clear()
                answer(f"{policy}, as of {datetime.now(timezone.utc):%H:%M:%S} UTC; Ctrl-C ends it")
            if terminal or found != shown:
                _show(settings, found, as_json)
            shown = found
            if cancel.wait(every):
                raise CancelledError("cancelled")


def _show(settings: Settings, found: Sequence[ChannelState], as_json: bool) -> None:
    for state in found:
        if state.drift:
            where = f"{state.reference} is not {state.drift}, which was promoted last"
            warn(settings, f"{state.name}: {where}: something else moved the tag")
        elif state.unrecorded:
            what = f"no record that counts says how {state.digest} came there"
            warn(settings, f"{state.name}: {what}: something else moved the tag")
    if as_json:
        answer_json([state.to_dict() for state in found])
        return
    answer_table(
        _HEADER,
        [
            (
                state.name,
                (state.digest or "(empty)") + (" (drift)" if state.drift or state.unrecorded else ""),
                state.kit.get("name", "") if state.variants is None else f"(index of {len(state.variants)})",
                state.kit.get("version", ""),
                timestamp_text(state.record.time) if state.record else "",
                state.record.actor if state.record else "",
                state.waiting,
            )
            for state in found
        ],
    )

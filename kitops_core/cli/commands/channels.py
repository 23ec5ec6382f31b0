"""``kitops channels``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer_json, answer_table, answer_text, warn
from kitops_core.cli.promoting import policy_option
from kitops_core.cli.settings import Settings
from kitops_core.wording import timestamp_text

_HEADER = ("CHANNEL", "DIGEST", "NAME", "VERSION", "SINCE", "BY", "WAITING")


@new_command("channels", network=True)
@policy_option
@click.option("--schema", is_flag=True, help="Print the JSON schema of the promotion policy instead, for editors.")
def command(settings: Settings, policy: str, schema: bool, as_json: bool) -> None:
    """Show what is in each channel, since when, and what waits in its upstream.

    A tag that is not where the last promotion put it is named as drift.
    """
    if schema:
        from kitops_core.promotion.schema import schema_text

        answer_text(schema_text())
        return
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        found = client.channels(policy)
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

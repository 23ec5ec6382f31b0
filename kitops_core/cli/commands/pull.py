"""``kitops pull``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, label_option, new_command
from kitops_core.cli.output import answer, answer_json, size_text
from kitops_core.cli.settings import Settings


@new_command("pull", network=True)
@kit_argument()
@label_option
@click.option("--referrers", is_flag=True, help="Also fetch signatures, attestations and all else attached to it.")
def command(settings: Settings, reference: str, referrers: bool, as_json: bool) -> None:
    """Fetch the ModelKit REFERENCE from its registry into the local store.

    The kits that its Kitfile names, as its model or for datasets, are fetched before it, under their own names.
    Every blob is checked against its digest before it enters the store; what is there already is not fetched.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings, written="fetched") as client:
        record = client.pull(reference, referrers=referrers)
    if as_json:
        answer_json(record.to_dict())
    elif record.changed or record.sent:
        moved = f"{size_text(record.sent)} fetched, {size_text(record.reused)} already there"
        answer("pulled", record.reference, record.digest, moved)
    else:
        answer("unchanged", record.reference, record.digest, "nothing fetched")

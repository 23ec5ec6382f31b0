"""``kitops push``."""

from __future__ import annotations

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer, answer_json, size_text
from kitops_core.cli.settings import Settings


@new_command("push", network=True)
@kit_argument("source")
@kit_argument("destination", required=False, default="")
def command(settings: Settings, source: str, destination: str, as_json: bool) -> None:
    """Send the ModelKit SOURCE from the local store to its registry, or to DESTINATION.

    Signatures, attestations and all else attached to it go with it. What the registry has already is not sent, and
    the kit keeps its digest.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        record = client.push(source, destination)
    if as_json:
        answer_json(record.to_dict())
    elif record.changed or record.sent:
        answer("pushed", record.digest, f"{size_text(record.sent)} sent, {size_text(record.reused)} already there")
    else:
        answer("unchanged", record.digest, "nothing sent")

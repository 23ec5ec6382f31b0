"""``kitops referrers``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, answer_rows, note_storage, size_text
from kitops_core.cli.settings import Settings
from kitops_core.reference import Where

if TYPE_CHECKING:
    from kitops_core.evidence.referrers import Referrer


@new_command("referrers", network=True)
@kit_argument()
@label_option
@where_options
def command(settings: Settings, reference: str, where: Where, as_json: bool) -> None:
    """Show what is attached to the ModelKit REFERENCE: signatures, attestations, files, and what is attached to those.

    Nothing is verified: `kitops verify` does that. Looks in the local store first, then in the registry.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        found = client.referrers(reference, where=where)
    note_storage(settings, found.reference, found.storage)
    if as_json:
        answer_json(found.to_dict())
        return
    answer(found.reference)
    answer_rows([*_rows(found.referrers, "")])


def _rows(referrers: Sequence[Referrer], indent: str) -> Iterator[list[str]]:
    for position, referrer in enumerate(referrers, 1):
        last = position == len(referrers)
        yield [f"{indent}{'└─' if last else '├─'} {_what(referrer)}", *_about(referrer)]
        yield from _rows(referrer.referrers, indent + ("   " if last else "│  "))


def _what(referrer: Referrer) -> str:
    from kitops_core.evidence.predicate_types import predicate_name
    from kitops_core.oci.media_types import IMAGE_CONFIG

    if referrer.artifact_type == IMAGE_CONFIG:
        return "container image"
    return predicate_name(referrer.predicate_type) if referrer.predicate_type else referrer.artifact_type or "unknown"


def _about(referrer: Referrer) -> list[str]:
    if referrer.problem:
        return [referrer.digest, f"unreadable: {referrer.problem}"]
    if referrer.signed_by:
        how = f"signed by {referrer.signed_by}"
    else:
        how = "unsigned" if referrer.predicate_type else referrer.title
    return [referrer.digest, how, size_text(referrer.size), referrer.created]

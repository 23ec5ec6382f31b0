"""``kitops lineage``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer_json, answer_text, note
from kitops_core.cli.settings import Settings
from kitops_core.errors import StoreError
from kitops_core.reference import Where


@new_command("lineage", network=True)
@kit_argument()
@label_option
@click.option(
    "--depth", type=click.IntRange(min=0), default=10, show_default=True, help="How many generations to read."
)
@click.option(
    "--verify",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key to check signatures with. May be given several times.",
)
@click.option("--mermaid", is_flag=True, help="Answer a Mermaid flowchart, for Markdown.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one page with everything, which needs no network.",
)
@where_options
def command(
    settings: Settings,
    reference: str,
    depth: int,
    keys: tuple[str, ...],
    mermaid: bool,
    html: Path | None,
    where: Where,
    as_json: bool,
) -> None:
    """Show what the ModelKit REFERENCE was made from: parent kits and theirs, data, commits.

    Follows the Kitfile's model.path and the provenance attached to each kit, through registries and the local store.
    Anyone who can push can attach provenance: only what is signed by a key given with --verify says who claims it.
    """
    if mermaid and as_json:
        raise click.UsageError("Give --mermaid or --json, not both.")
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        found = client.lineage(reference, depth=depth, keys=keys, where=where)
    if html is not None:
        try:
            html.write_text(found.to_html(), encoding="utf-8")
        except OSError as error:
            raise StoreError(f"'{html}' cannot be written: {error.strerror}") from None
        note(settings, f"wrote {html}")
    if as_json:
        answer_json(found.to_dict())
    elif mermaid:
        answer_text(found.to_mermaid())
    elif html is None:
        answer_text(found.to_text())

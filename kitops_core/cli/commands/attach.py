"""``kitops attach``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.settings import Settings
from kitops_core.reference import Where


@new_command("attach", network=True)
@kit_argument()
@label_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--artifact-type", required=True, metavar="TYPE", help="What the file is, as application/vnd.cyclonedx+json."
)
@click.option("--media-type", default="", metavar="TYPE", help="The file's own media type (default: the same).")
@click.option(
    "-a",
    "--annotation",
    "annotations",
    multiple=True,
    metavar="KEY=VALUE",
    help="Annotate it. Several times if need be.",
)
@where_options
def command(
    settings: Settings,
    reference: str,
    file: Path,
    artifact_type: str,
    media_type: str,
    annotations: tuple[str, ...],
    where: Where,
    as_json: bool,
) -> None:
    """Attach FILE to the ModelKit REFERENCE: a model card, a bill of materials, a report.

    The kit does not change, nor does its digest. Looks for the kit in the local store first, then in the registry.
    """
    from kitops_core.cli.signing import say_attached
    from kitops_core.cli.transfer import connect

    pairs = dict(text.partition("=")[::2] for text in annotations)
    if not all("=" in text for text in annotations):
        raise click.UsageError("An annotation is KEY=VALUE.")
    with connect(settings) as client:
        attached = client.attach(
            reference,
            file,
            artifact_type=artifact_type,
            media_type=media_type,
            annotations=pairs,
            where=where,
        )
    say_attached(settings, "attached", attached, as_json)

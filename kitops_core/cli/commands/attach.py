"""``kitops attach``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, new_command, remote_option
from kitops_core.cli.settings import Settings


@new_command("attach", network=True)
@kit_argument()
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
@remote_option
def command(
    settings: Settings,
    reference: str,
    file: Path,
    artifact_type: str,
    media_type: str,
    annotations: tuple[str, ...],
    remote: bool,
    as_json: bool,
) -> None:
    """Attach FILE to the ModelKit REFERENCE: a model card, a bill of materials, a report.

    The kit does not change, nor does its digest. Looks for the kit in the local store first, then in the registry.
    """
    from kitops_core.cli.signing import say_attached
    from kitops_core.cli.transfer import transfer
    from kitops_core.evidence.attach import attach

    pairs = dict(text.partition("=")[::2] for text in annotations)
    if not all("=" in text for text in annotations):
        raise click.UsageError("An annotation is KEY=VALUE.")
    with transfer(settings, written="sent") as control:
        attached = attach(
            reference,
            file,
            artifact_type=artifact_type,
            media_type=media_type,
            annotations=pairs,
            remote=True if remote else None,
            **control,
        )
    say_attached(settings, "attached", attached, as_json)

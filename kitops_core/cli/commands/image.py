"""``kitops image``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, count_text, note_storage, size_text, warn
from kitops_core.cli.settings import Settings
from kitops_core.reference import Where


@new_command("image", network=True)
@kit_argument()
@label_option
@click.option("-t", "--tag", default="", help="A tag for the image, in the kit's repository.")
@click.option(
    "-f",
    "--filter",
    "only",
    multiple=True,
    metavar="FILTER",
    help="Only this, as with unpack; several times if need be.",
)
@click.option(
    "--platform",
    default="linux/amd64",
    show_default=True,
    help="What the image says it is for; containerd mounts it on nodes of that architecture only.",
)
@where_options
def command(
    settings: Settings, reference: str, tag: str, only: tuple[str, ...], platform: str, where: Where, as_json: bool
) -> None:
    """Make a container image of the ModelKit REFERENCE, for Kubernetes image volumes and KServe.

    It is a second manifest over the kit's own layers: nothing is copied, and the kit does not change. It is attached to
    the kit, so that `push` and `promote` take it along, and the same kit gives the same image.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        made = client.image(reference, tag=tag, only=only, platform=platform, where=where)
    note_storage(settings, made.kit, made.storage)
    for sentence in made.warnings:
        warn(settings, sentence)
    if as_json:
        answer_json(made.to_dict())
    else:
        contents = f"{count_text(len(made.paths), 'layer')}, {size_text(made.size)}"
        answer("made" if made.changed else "unchanged", made.reference, contents)

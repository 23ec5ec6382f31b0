"""``kitops catalog``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, count_text, warn
from kitops_core.cli.settings import Settings
from kitops_core.errors import DeniedError, RegistryError


@new_command("catalog", network=True)
@click.argument("places", metavar="[PLACE]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    required=True,
    help="The folder of the pages: new, empty, or of a catalogue built before.",
)
@click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    help="A promotion policy, whose channels are shown. May be given several times.",
)
@click.option(
    "--verify",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key to check signatures with, besides those of the policies. May be given several times.",
)
def command(
    settings: Settings,
    places: tuple[str, ...],
    output: Path,
    policies: tuple[str, ...],
    keys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a static site about the ModelKits of each PLACE: versions, channels, history, evidence, lineage.

    A place is REGISTRY/REPOSITORY, REGISTRY/NAMESPACE/ or REGISTRY; the last two need a registry that lists its
    repositories. The pages open from a file and from any web server, and run no script. Built again, only what
    changed is read and written. What cannot be read is named on the first page, and the exit code says so.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        built = client.catalog(places, output, policies=policies, keys=keys)
    for problem in built.problems:
        warn(settings, problem)
    if as_json:
        answer_json(built.to_dict())
    else:
        shown = f"{count_text(built.kits, 'kit')}, {count_text(built.versions, 'version')}"
        answer("wrote", built.index, f"({shown}; {built.written} of {count_text(built.pages, 'page')} new)")
    if built.problems:
        message = f"{count_text(len(built.problems), 'thing')} could not be read, as {built.index} says, too"
        if built.denied:
            raise DeniedError(message, hint="log in with `kitops login`, or name what may be read")
        raise RegistryError(message, hint="build it again once that is mended")

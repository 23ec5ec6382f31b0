"""``kitops init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_text, count_text, note, warn
from kitops_core.cli.settings import Settings
from kitops_core.errors import ConflictError

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile


@new_command("init")
@click.argument("directory", type=click.Path(path_type=Path), default=".")
@click.option("--name", default="", help="The package's name (default: the directory's).")
@click.option("--desc", default="", help="The package's description.")
@click.option("--author", "authors", multiple=True, help="An author of the package; may be given several times.")
@click.option("-f", "--force", is_flag=True, help="Replace the Kitfile that is there.")
@click.option(
    "--depth",
    type=click.IntRange(min=-1),
    default=0,
    show_default=True,
    help="How many levels of subdirectories to list file by file; -1: all.",
)
@click.option(
    "--servable", is_flag=True, help="Move the model and its parts into models/, where KServe looks for them."
)
@click.option(
    "--allow-lfs-pointers", is_flag=True, help="Describe Git LFS pointers in place of models and datasets as they are."
)
@click.option(
    "--remote",
    "source",
    metavar="REPOSITORY",
    help="Describe a repository of the Hugging Face Hub or of MLflow instead, as `kitops import` names it.",
)
@click.option("--ref", default="", metavar="REVISION", help="With --remote: a branch, tag or commit of the Hub.")
@click.option("--token", metavar="TOKEN", help="With --remote: a token for the Hub (default: $HF_TOKEN).")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Where to write; '-' for standard output (default: DIRECTORY/Kitfile).",
)
def command(
    settings: Settings,
    directory: Path,
    name: str,
    desc: str,
    authors: tuple[str, ...],
    force: bool,
    depth: int,
    servable: bool,
    allow_lfs_pointers: bool,
    source: str | None,
    ref: str,
    token: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a Kitfile from what is in DIRECTORY (default: the current one).

    Models, datasets, code, documentation and prompts are told apart by their names; what .kitignore names is left out.
    Git LFS pointers and weights that were cut are an error, as they are when packed; credentials are not put into it.
    Nothing is asked, and nothing but the Kitfile is written; with --servable files are moved. Whatever the Kitfile says
    can be changed in an editor afterwards.
    """
    from kitops_core.kitfile import find_kitfile
    from kitops_core.sources.generate import generate_kitfile

    target = Path(output) if output else find_kitfile(directory) or directory / "Kitfile"
    if output != "-" and target.exists() and not force:
        raise ConflictError(f"'{target}' is there already", hint="give --force to replace it")
    if source is None:
        if ref or token:
            raise click.UsageError("--ref and --token are for --remote.")
        kitfile = generate_kitfile(directory, name=name, description=desc, authors=authors, depth=depth)
        if kitfile.entries():
            _check(settings, directory, kitfile, allow_lfs_pointers)
        else:
            warn(settings, f"nothing was found in '{directory}' that a kit could hold")
    else:
        if servable or depth or allow_lfs_pointers:
            raise click.UsageError("--servable, --depth and --allow-lfs-pointers are for files that are here.")
        with settings.client() as client:
            kitfile = client.describe_import(source, ref=ref, token=token)
        package = kitfile.package
        package.name, package.description = name or package.name, desc or package.description
        package.authors = list(authors) or package.authors
    if servable:
        from kitops_core.serving.layout import lay_out

        for path, to in lay_out(directory, kitfile).items():
            note(settings, f"moved {path} to {to}")
    if output == "-":
        answer_text(kitfile.to_yaml())
        return
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(kitfile.to_yaml())
    except FileExistsError:
        raise ConflictError(f"'{target}' is there already", hint="give --force to replace it") from None
    if as_json:
        answer_json({"path": str(target), "kitfile": kitfile.to_yaml()})
    else:
        answer("wrote", target, _contents(kitfile))


def _check(settings: Settings, directory: Path, kitfile: Kitfile, allow_lfs_pointers: bool) -> None:
    """See that what is described could be packed.

    Raises:
        KitOpsError: It could not; as packing it would say.
    """
    from kitops_core.kits.packing import Packing

    how = Packing(allow_lfs_pointers=allow_lfs_pointers, allow_secrets=True)
    with settings.client() as client:
        client.plan(directory, kitfile=kitfile, how=how)


def _contents(kitfile: Kitfile) -> str:
    counts = {
        "model": int(kitfile.model is not None),
        "model part": len(kitfile.model.parts) if kitfile.model else 0,
        "dataset": len(kitfile.datasets),
        "prompt": len(kitfile.prompts),
    }
    said = [count_text(count, noun) for noun, count in counts.items() if count]
    said += [f"{len(entries)} {noun}" for noun, entries in (("code", kitfile.code), ("docs", kitfile.docs)) if entries]
    return ", ".join(said) or "nothing found to pack"

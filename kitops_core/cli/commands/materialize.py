"""``kitops materialize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, answer_text, count_text, note_storage, size_text
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import verification_policy
from kitops_core.reference import Where

if TYPE_CHECKING:
    from kitops_core.serving.materialize import Materialized


@new_command("materialize", network=True)
@kit_argument()
@label_option
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path),
    required=True,
    help="The directory; it becomes a symbolic link to the complete release beside it.",
)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Take this instead of the model and its parts: TYPES, TYPES:NAMES or :NAMES. May be given several times.",
)
@click.option("--keep-paths", is_flag=True, help="Keep the Kitfile's paths instead of laying files out for a server.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="How many earlier releases to keep for servers that still read them.",
)
@click.option(
    "--max-ratio",
    type=click.IntRange(min=1),
    help="How many times its stored size a compressed layer may unpack to (default: 1100).",
)
@click.option(
    "--verify",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Take only what this public key signed (PEM, or env://NAME). Several times: any of them.",
)
@click.option(
    "--stale-after",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Take over from a process that fetches into the same volume when it shows no sign of life for so long.",
)
@where_options
@click.option("--print", "only_path", is_flag=True, help="Answer the directory's path only.")
@click.option(
    "--vllm",
    is_flag=True,
    help="Answer the arguments for `vllm serve` on one line, quoted for a shell; with --json as a list.",
)
def command(
    settings: Settings,
    reference: str,
    directory: Path,
    filters: tuple[str, ...],
    keep_paths: bool,
    keep: int,
    max_ratio: int | None,
    keys: tuple[str, ...],
    stale_after: float,
    where: Where,
    only_path: bool,
    vllm: bool,
    as_json: bool,
) -> None:
    """Make a directory that a server can load from the ModelKit REFERENCE: the model and its parts, flat.

    What lies below the model's directory keeps its place there; parts from elsewhere are put beside the model. Nothing
    is fetched where the directory shows this kit already. The directory is replaced at once, when the new one is
    complete and verified, and processes that share a volume fetch only once.

    Looks in the local store first, then in the registry. With --verify the tag is resolved once; that digest is
    verified, and that digest is fetched.
    """
    if only_path and (as_json or vllm):
        raise click.UsageError(f"--print and {'--vllm' if vllm else '--json'} exclude each other.")
    from kitops_core.cli.transfer import connect

    policy = verification_policy(keys)
    with connect(settings, written="fetched") as client:
        made = client.materialize(
            reference,
            directory,
            only=filters,
            keep_paths=keep_paths,
            keep=keep,
            max_ratio=max_ratio,
            verify=policy,
            stale_after=stale_after,
            where=where,
        )
    note_storage(settings, made.reference, made.storage)
    if vllm:
        _say_arguments(made, as_json)
    elif only_path:
        answer_text(made.directory + "\n")
    elif as_json:
        answer_json(made.to_dict())
    else:
        _say(made)


def _say(made: Materialized) -> None:
    what = f"{count_text(made.files, 'file')}, {size_text(made.size)} in {made.directory}"
    answer("materialized" if made.changed else "unchanged", made.digest, what)


def _say_arguments(made: Materialized, as_json: bool) -> None:
    import shlex

    from kitops_core.serving.vllm import vllm_arguments

    arguments = vllm_arguments(made.directory)
    if as_json:
        answer_json(arguments)
    else:
        answer_text(shlex.join(arguments) + "\n")

"""``kitops unpack``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, count_text, note, note_storage, size_text
from kitops_core.cli.parsing import existing_files
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import load_public_keys, verification_policy
from kitops_core.reference import Where


@new_command("unpack", network=True)
@kit_argument()
@label_option
@click.option(
    "-d",
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=".",
    help="Where to; made if need be (default: the current directory).",
)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Unpack only this: TYPES, TYPES:NAMES or :NAMES. May be given several times.",
)
@click.option("-o", "--overwrite", is_flag=True, help="Replace files that are in the way.")
@click.option("-i", "--ignore-existing", is_flag=True, help="Keep files that are in the way.")
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
    help="Unpack only what this public key signed (PEM, or env://NAME). Several times: any of them.",
)
@click.option(
    "--verify-files",
    "file_keys",
    multiple=True,
    metavar="KEY",
    help="Unpack only files that this public key signed, each of them (OpenSSF model signing).",
)
@click.option("--include-remote", is_flag=True, help="Fetch the datasets that stay elsewhere too, and check them.")
@where_options
@click.option("--kitfile", is_flag=True, help="The same as --filter kitfile.")
@click.option("--model", is_flag=True, help="The same as --filter model.")
@click.option("--code", is_flag=True, help="The same as --filter code.")
@click.option("--datasets", is_flag=True, help="The same as --filter datasets.")
@click.option("--docs", is_flag=True, help="The same as --filter docs.")
def command(
    settings: Settings,
    reference: str,
    directory: Path,
    filters: tuple[str, ...],
    overwrite: bool,
    ignore_existing: bool,
    max_ratio: int | None,
    keys: tuple[str, ...],
    file_keys: tuple[str, ...],
    include_remote: bool,
    where: Where,
    as_json: bool,
    **only: bool,
) -> None:
    """Put the files of the ModelKit REFERENCE into a directory.

    Looks in the local store first, then in the registry. Nothing appears in the directory before all of it was checked,
    and no file that is there is touched unless --overwrite says so. With --verify the tag is resolved once; that digest
    is verified, and that digest is unpacked.

    A filter is a list of types (kitfile, model, code, datasets, docs, prompts, mcpServers), a list of names or paths,
    or both: model, datasets:train,test or docs:README.md. An entry is taken when any filter takes it.
    """
    from kitops_core.cli.transfer import connect

    policy, file_public = verification_policy(keys), load_public_keys(file_keys)
    with connect(settings, written="fetched") as client:
        result = client.unpack(
            reference,
            directory,
            only=[*filters, *(type_ for type_, wanted in only.items() if wanted)],
            existing=existing_files(overwrite, ignore_existing),
            max_ratio=max_ratio,
            verify=policy,
            verify_files=file_public,
            include_remote=include_remote,
            where=where,
        )
    note_storage(settings, result.reference, result.storage)
    for url in result.remote:
        note(settings, f"not in the kit: {url} (--include-remote fetches it)")
    if as_json:
        answer_json(result.to_dict())
    else:
        what = f"{count_text(result.files, 'file')}, {size_text(result.size)}"
        answer("unpacked", result.digest, f"{what} in {result.directory}")

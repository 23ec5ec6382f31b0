"""``kitops import``."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_text, count_text, size_text
from kitops_core.cli.parsing import parse_names
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import open_signing_key

if TYPE_CHECKING:
    from pathlib import Path

    from kitops_core.kitfile import Kitfile
    from kitops_core.record import ModelKitRecord


@new_command("import", network=True)
@click.argument("source", metavar="REPOSITORY")
@click.option("--ref", default="", metavar="REVISION", help="A branch, tag or commit (default: the default branch).")
@click.option(
    "--token", metavar="TOKEN", help="A token for the Hub (default: $HF_TOKEN, or what `hf auth login` saved)."
)
@click.option("--push", "pushed", metavar="REFERENCE", help="Send the kit straight to a registry, as this.")
@click.option(
    "-t",
    "--tag",
    "names",
    multiple=True,
    metavar="REFERENCE",
    help="What to call the kit in the local store, as REPOSITORY:TAG[,TAG...].",
)
@click.option(
    "-f",
    "--file",
    "kitfile",
    metavar="KITFILE",
    help="The Kitfile to use; '-' reads standard input (default: made from the repository).",
)
@click.option(
    "--variants",
    is_flag=True,
    help="A kit for each quantisation that GGUF files, branches or tags name, and an index of them as the name given.",
)
@click.option("--print-kitfile", is_flag=True, help="Answer the Kitfile that would be made, and import nothing.")
@click.option(
    "--sign-key", metavar="KEY", help="Sign the kit and its provenance with this private key (PEM, or env://NAME)."
)
def command(
    settings: Settings,
    source: str,
    ref: str,
    token: str | None,
    pushed: str | None,
    names: tuple[str, ...],
    kitfile: str | None,
    variants: bool,
    print_kitfile: bool,
    sign_key: str | None,
    as_json: bool,
) -> None:
    """Import a model or dataset of the Hugging Face Hub, or a run or model of MLflow, as a ModelKit.

    REPOSITORY is organisation/model, datasets/organisation/name, or the address of its page, on the hub that
    $HF_ENDPOINT names. Files go straight to where the kit is kept, with no copy on disk; what is there already is not
    downloaded. The revision is resolved once to its commit.

    It can also be mlflow://runs/ID[/PATH], mlflow://experiments/ID/runs/ID, or mlflow://models/NAME/VERSION (or
    /@ALIAS), of a run that is finished, on the server that $MLFLOW_TRACKING_URI names.

    A Kitfile is made from the files and the model's card; --print-kitfile shows it, to be edited and given with --file.
    Where the kit came from is attached to it as provenance.

    Without --push or --tag the kit goes into the local store under the repository's name and the tag `latest`.
    """
    if pushed and names:
        raise click.UsageError("--push and --tag both say what to call the kit.")
    if variants and (kitfile or print_kitfile):
        raise click.UsageError("--variants makes a Kitfile for each kit of its own files.")
    if print_kitfile and (pushed or names or kitfile or sign_key or as_json):
        raise click.UsageError("--print-kitfile imports nothing, and goes with --ref and --token only.")
    signer = open_signing_key(sign_key) if sign_key else None
    described = _kitfile(kitfile)
    reference, tags = parse_names([pushed] if pushed else names) if pushed or names else ("", ())

    from kitops_core.cli.transfer import connect

    with connect(settings, written="sent" if pushed else "written", signer=signer) as client:
        if print_kitfile:
            answer_text(client.describe_import(source, ref=ref, token=token).to_yaml())
            return
        record = client.import_kit(
            source,
            reference,
            push=bool(pushed),
            tags=tags,
            ref=ref,
            token=token,
            kitfile=described,
            user=_user(),
            variants=variants,
        )
    if as_json:
        answer_json(record.to_dict())
    else:
        _say(record)


def _say(record: ModelKitRecord) -> None:
    if record.variants is not None:
        kits = count_text(len(record.variants), "kit")
        answer("imported" if record.changed else "unchanged", record.reference, record.digest, kits)
        for variant in record.variants:
            answer(f"  {variant.tag}", variant.digest, size_text(variant.size or 0))
        answer("from", record.origin)
        return
    contents = f"{count_text(len(record.layers), 'layer')}, {size_text(record.size)}"
    if record.changed or record.sent:
        moved = f"{size_text(record.sent)} fetched, {size_text(record.reused)} already there"
        answer("imported", record.reference, record.digest, contents, moved)
    else:
        answer("unchanged", record.reference, record.digest, contents, "nothing sent")
    answer("from", record.origin)


def _kitfile(given: str | None) -> Kitfile | Path | None:
    if given is None:
        return None
    if given == "-":
        from kitops_core.kitfile import Kitfile

        return Kitfile.parse(sys.stdin.buffer.read(), "standard input")
    from pathlib import Path

    return Path(given)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""

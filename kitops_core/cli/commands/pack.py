"""``kitops pack``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kitops_core.cli.measured import parse_provenance, provenance_options
from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_rows, count_text, note, size_text
from kitops_core.cli.parsing import parse_names, parse_time
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import open_signing_key
from kitops_core.errors import InvalidInputError, InvalidReferenceError
from kitops_core.objects.location import local_path

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.kits.plan import PackPlan
    from kitops_core.record import ModelKitRecord


class _Directory(click.Path):
    """A directory's path, or its URL in an object store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


_DIRECTORY = _Directory()


@new_command("pack", network=True)
@click.argument("directory", type=_DIRECTORY, required=False)
@click.option("--from", "source", type=_DIRECTORY, help="The directory to pack, or its URL; the same as DIRECTORY.")
@click.option(
    "-t", "--tag", "names", multiple=True, metavar="REFERENCE", help="What to call the kit, as REPOSITORY:TAG[,TAG...]."
)
@click.option(
    "-f",
    "--file",
    "kitfile",
    metavar="KITFILE",
    help="The Kitfile to use; '-' reads standard input (default: the directory's).",
)
@click.option(
    "--push", is_flag=True, help="Send the kit to its registry in the same pass, and keep nothing in the local store."
)
@click.option(
    "--compression",
    type=click.Choice(["none", "gzip", "gzip-fastest", "zstd"]),
    default="none",
    show_default=True,
    help="How to compress layers.",
)
@click.option(
    "--layer-format",
    type=click.Choice(["tar", "raw"]),
    default="tar",
    show_default=True,
    help="raw: store single files as they are.",
)
@click.option(
    "--remote-dataset",
    "remote",
    multiple=True,
    metavar="NAME=URL",
    help="A dataset that stays in S3 (s3://bucket/key) or in another ModelKit. May be given several times.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be in which layer, and what is left out: nothing is written."
)
@click.option("--use-model-pack", is_flag=True, help="Pack a CNCF ModelPack instead of a ModelKit.")
@click.option(
    "--created",
    metavar="TIME",
    help="Stamp a time into the kit, which changes its digest: 2026-01-31T12:00:00Z, or 'now'.",
)
@click.option("--all-files", is_flag=True, help="Pack caches, environments and version control inside directories too.")
@click.option("--allow-secrets", is_flag=True, help="Pack files that hold credentials inside directories too.")
@click.option(
    "--allow-lfs-pointers", is_flag=True, help="Pack Git LFS pointers in place of models and datasets as they are."
)
@provenance_options
def command(
    settings: Settings,
    directory: str | None,
    source: str | None,
    names: tuple[str, ...],
    kitfile: str | None,
    push: bool,
    compression: Any,
    layer_format: Any,
    remote: tuple[str, ...],
    dry_run: bool,
    use_model_pack: bool,
    created: str | None,
    all_files: bool,
    allow_secrets: bool,
    allow_lfs_pointers: bool,
    provenance: bool,
    inputs: tuple[str, ...],
    metrics: tuple[str, ...],
    parameters: tuple[str, ...],
    sign_key: str | None,
    as_json: bool,
) -> None:
    """Pack DIRECTORY (default: the current one) as a ModelKit, into the local store or with --push into its registry.

    The Kitfile says what is packed; where there is none, all that is in the directory is packed as `kitops init` would
    describe it. Paths in the Kitfile are relative to DIRECTORY, wherever the Kitfile is.

    DIRECTORY may be in an object store (s3://bucket/model, gs://…, az://…): what is there is read while it is packed,
    and never copied to this machine's disk. It needs kitops-core[objects] and s3fs, gcsfs or adlfs.

    The same files give the same digest, on any machine and at any time. What did not change is not read again.

    How it was made (--provenance, --input, --metric, --param, --sign-key) is attached to the kit, whose digest stays
    the same. Anyone who can pull the kit can read it: credentials in URLs and parameters named like secrets are left
    out.

    Without --tag the kit goes into the local store under the package's name (or the directory's) and the tag `latest`.
    """
    if directory and source and directory != source:
        raise click.UsageError("DIRECTORY and --from name different directories.")
    if push and not names:
        raise click.UsageError("--push needs --tag: a registry, a repository and a tag.")
    location = directory or source or "."
    local = local_path(location)
    if local is None and not names:
        raise click.UsageError("What is in an object store needs a name: --tag REPOSITORY:TAG.")
    when = parse_time(created) if created else None
    signer = open_signing_key(sign_key) if sign_key else None
    made = parse_provenance(provenance, inputs, metrics, parameters, sign_key)
    described = _kitfile(settings, local, kitfile)
    if remote:
        described = _with_remote(local, described, remote)
    reference, tags = parse_names(names) if names else (_default_name(Path(local or "."), described), ())

    from kitops_core.cli.transfer import connect
    from kitops_core.kits.packing import Packing

    how = Packing(compression, layer_format, use_model_pack, when, allow_lfs_pointers, all_files, allow_secrets)
    with connect(settings, written="sent" if push else "written", signer=signer) as client:
        if dry_run:
            _say_plan(client.plan(location, kitfile=described, how=how), reference, as_json)
            return
        record = client.pack(
            location,
            reference,
            push=push,
            tags=tags,
            kitfile=described,
            how=how,
            provenance=made,
        )
    if as_json:
        answer_json(record.to_dict())
    else:
        _say(record, push)


def _say(record: ModelKitRecord, push: bool) -> None:
    if not push:
        contents = f"{count_text(len(record.layers), 'layer')}, {size_text(record.size)}"
        also = [f"also tagged {', '.join(record.tags[1:])}"] if record.tags[1:] else []
        answer("packed" if record.changed else "unchanged", record.reference, record.digest, contents, *also)
    elif record.changed or record.sent:
        answer("pushed", record.digest, f"{size_text(record.sent)} sent, {size_text(record.reused)} already there")
    else:
        answer("unchanged", record.digest, "nothing sent")


def _say_plan(plan: PackPlan, reference: str, as_json: bool) -> None:
    if as_json:
        answer_json({"reference": reference, **plan.to_dict()})
        return
    answer("would pack", reference, count_text(len(plan.layers), "layer"), size_text(plan.size))
    answer_rows(
        [
            ("  " + layer.section, layer.path, count_text(layer.files, "file"), size_text(layer.size))
            for layer in plan.layers
        ]
    )
    if plan.left_out:
        answer("left out", count_text(len(plan.left_out), "path"))
        answer_rows([("  " + item.path, item.why) for item in plan.left_out])


def _kitfile(settings: Settings, local: str | None, given: str | None) -> Kitfile | Path | None:
    """The Kitfile to pack by; ``None`` where one is to be generated, which is said, or it is in an object store."""
    from kitops_core.kitfile import find_kitfile

    if given == "-":
        from kitops_core.kitfile import Kitfile

        return Kitfile.parse(sys.stdin.buffer.read(), "standard input")
    if given is not None:
        return Path(given)
    if local is None:
        return None
    root = Path(local)
    found = find_kitfile(root)
    if found is None and root.is_dir():
        note(settings, f"no Kitfile in '{root}': packing what is there (`kitops init {root}` writes one to edit)")
    return found


def _with_remote(local: str | None, described: Kitfile | Path | None, remote: tuple[str, ...]) -> Kitfile:
    """The Kitfile, or the one that would be generated, with datasets that stay where they are.

    Raises:
        InvalidInputError: One has no name.
    """
    from kitops_core.kitfile import Kitfile, load_given
    from kitops_core.sources.generate import generate_kitfile
    from kitops_core.sources.remote_dataset import with_remote

    named = {}
    for text in remote:
        name, equals, url = text.partition("=")
        if not (name and equals and url):
            raise InvalidInputError(f"'{text}' is no remote dataset", hint="write train=s3://bucket/train.parquet")
        named[name] = url
    if described is not None:
        return with_remote(Kitfile.from_data(load_given(described)[0]), named)
    if local is None:
        raise InvalidInputError(
            "remote datasets beside an object store need a Kitfile here", hint="name it with --file"
        )
    kitfile = generate_kitfile(Path(local))
    return with_remote(kitfile, named)


def _default_name(root: Path, described: Kitfile | Path | None) -> str:
    """The name of a kit that was given none.

    Raises:
        InvalidReferenceError: Neither the package's name nor the directory's can be made one.
    """
    from kitops_core.kitfile import load_given

    package = load_given(described)[0].package if described is not None else {}
    for name in (package.get("name", ""), root.resolve().name):
        if slug := re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"):
            return f"{slug}:latest"
    raise InvalidReferenceError(f"'{root}' has no name that a kit could have", hint="name it with --tag")

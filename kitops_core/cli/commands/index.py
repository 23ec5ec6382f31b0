"""``kitops index``: one reference over the variants of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

import click

from kitops_core.cli.options import CONTEXT, Command, global_options, kit_argument, new_command, remote_option
from kitops_core.cli.output import answer, answer_json, answer_table, answer_text, count_text, note, size_text
from kitops_core.cli.settings import Settings

if TYPE_CHECKING:
    from kitops_core.record import ModelKitRecord, VariantRecord

_LIST_HEADER = ("REPOSITORY", "TAG", "MODELKITS", "DIGEST")
_INFO_HEADER = ("ORIGINAL REFERENCE", "SIZE", "LABELS", "ANNOTATIONS", "DIGEST")
_NONE = "<none>"
_FORMAT = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json: the reference CLI's keys. --json: this tool's.",
)


class _Group(click.Group):
    """A group whose options are shown as those of commands are."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        Command.format_options(self, ctx, formatter)  # type: ignore[arg-type]


@new_command("create")
@kit_argument("index")
def create(settings: Settings, index: str, as_json: bool) -> None:
    """Make an empty index in the local store.

    INDEX is repository:tag. An index of that name is made anew. Kits come into it with `kitops index add`.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        _say("created", client.index_kits(index), as_json)


@new_command("add", network=True)
@kit_argument("index")
@kit_argument("modelkit")
@remote_option
@click.option(
    "-l",
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL",
    help="Set a label, key=value or key:=JSON, or remove one, key-. May be given several times.",
)
@click.option(
    "--annotate",
    "annotations",
    multiple=True,
    metavar="ANNOTATION",
    help="Set an annotation, key=value, or remove one, key-. May be given several times.",
)
def add(
    settings: Settings,
    index: str,
    modelkit: str,
    remote: bool,
    labels: tuple[str, ...],
    annotations: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add MODELKIT to INDEX, or change the labels and annotations of one that it has.

    Both are of one repository. Labels and annotations that the entry has and that are not named stay.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        where: Literal["store", "registry"] = "registry" if remote else "store"
        record = client.index_add(index, modelkit, labels=labels, annotations=annotations, where=where)
    _say("added to", record, as_json)


@new_command("remove")
@kit_argument("index")
@kit_argument("modelkit")
def remove(settings: Settings, index: str, modelkit: str, as_json: bool) -> None:
    """Take MODELKIT, named by a tag or its digest, out of INDEX. The kit itself stays."""
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        _say("removed from", client.index_remove(index, modelkit), as_json)


@new_command("delete")
@kit_argument("index", required=False, default="")
@click.option("-f", "--force", is_flag=True, help="Delete the index with all its tags; with --all, every index.")
@click.option("-a", "--all", "everything", is_flag=True, help="Delete all indexes of the local store that have no tag.")
def delete(settings: Settings, index: str, force: bool, everything: bool, as_json: bool) -> None:
    """Delete INDEX from the local store. Its kits stay.

    A tag takes that tag only, while others name the index; a digest takes all. In a registry, `kitops remove --remote`
    deletes an index as it deletes a kit.
    """
    if bool(index) == everything:
        raise click.UsageError("Name an index, or give --all.")
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        if everything:
            rows = [(name, name.rpartition("@")[2]) for name in client.index_delete_all(tagged=force)]
        else:
            rows = [(index, client.index_delete(index, force=force))]
    if as_json:
        answer_json([{"reference": name, "digest": digest} for name, digest in rows])
        return
    for name, digest in rows:
        answer("deleted", name, *([] if digest in name else [digest]))
    if everything and not rows:
        answer("nothing to delete")


@new_command("list", network=True)
@kit_argument("repository", required=False, default="")
@_FORMAT
def list_(settings: Settings, repository: str, format_: str, as_json: bool) -> None:
    """List the indexes of the local store, or those of REPOSITORY in its registry."""
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        records = [one for one in client.list_kits(repository, indexes=True) if one.variants is not None]
    if as_json:
        answer_json([record.to_dict() for record in records])
    elif format_ == "json":
        answer_json(_as_the_reference_lists(records))
    else:
        rows = [(_repository(one), one.tag or _NONE, len(one.variants or ()), one.digest) for one in records]
        answer_table(_LIST_HEADER, sorted(rows))


@new_command("info", network=True)
@kit_argument("index")
@remote_option
@_FORMAT
def info(settings: Settings, index: str, remote: bool, format_: str, as_json: bool) -> None:
    """Show the kits of INDEX, with their labels and annotations."""
    from kitops_core.cli.transfer import connect

    where: Literal["registry", "store"] = "registry" if remote else "store"
    with connect(settings) as client:
        record = client.index(index, where=where)
        pinned = f"{_repository(record)}@{record.digest}"
        raw = b"" if as_json or format_ == "json" else client.index_bytes(pinned, where=where)
    variants = record.variants or ()
    if as_json:
        answer_json(record.to_dict())
    elif format_ == "json":
        answer_json(_as_the_reference_tells(record, index))
    else:
        answer(f"Index {index} ({record.digest})")
        if not variants:
            answer("Index contains no ModelKits")
            return
        answer(f"{count_text(len(variants), 'ModelKit')}:")
        answer_table(_INFO_HEADER, _written_rows(record, raw))


@new_command("inspect", network=True, answers=False)
@kit_argument("index")
@remote_option
def inspect(settings: Settings, index: str, remote: bool) -> None:
    """Show INDEX as JSON, as it is stored."""
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        raw = client.index_bytes(index, where="registry" if remote else "store")
    answer_text(json.dumps(json.loads(raw), indent=2, ensure_ascii=False) + "\n")


@new_command("push", network=True)
@kit_argument("source")
@kit_argument("destination", required=False, default="")
def push(settings: Settings, source: str, destination: str, as_json: bool) -> None:
    """Send the index SOURCE to its registry, or to DESTINATION, where its kits must be already.

    Only the index is sent; `kitops push` sends an index with its kits.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        _say("pushed", client.index_push(source, destination), as_json)


@new_command("pull", network=True)
@kit_argument("index")
def pull(settings: Settings, index: str, as_json: bool) -> None:
    """Fetch INDEX from its registry into the local store, without its kits.

    `kitops pull INDEX --label KEY=VALUE` fetches one of the kits.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        record = client.index_pull(index)
    _say("pulled", record, as_json)
    note(settings, "its kits stay in the registry: `kitops pull` with --label (-l) fetches one")


command = _Group(
    "index",
    help="Make and show ModelKit indexes: one reference over the variants of a model, chosen by labels (--label).",
    context_settings=CONTEXT,
    commands={one.name or "": one for one in (create, add, remove, delete, list_, info, inspect, push, pull)},
    params=global_options(),
)
command.list_commands = lambda ctx: [*command.commands]  # type: ignore[method-assign]  # as one uses them, not sorted


def _say(done: str, record: ModelKitRecord, as_json: bool) -> None:
    if as_json:
        answer_json(record.to_dict())
    else:
        answer(done if record.changed else "unchanged", record.reference, record.digest, _count(record))


def _count(record: ModelKitRecord) -> str:
    return count_text(len(record.variants or ()), "kit")


def _repository(record: ModelKitRecord) -> str:
    name = record.reference.partition("@")[0]
    return name.removesuffix(f":{record.tag}") if record.tag else name


def _written_rows(record: ModelKitRecord, raw: bytes) -> list[tuple[str, ...]]:
    """The table of an index, its labels as they are written: a number that Python writes otherwise is none of kit's."""
    from kitops_core.oci.kit_index import label_texts, parse_index

    said = [label_texts(entry.labels) for entry in parse_index(raw, record.reference).entries]
    told = zip(record.variants or (), said, strict=True)
    return [row for one, labels in told for row in _rows(one, labels or [_NONE], _repository(record))]


def _rows(variant: VariantRecord, labels: Sequence[str], repository: str) -> Sequence[tuple[str, ...]]:
    notes = [f"{key}={value}" for key, value in sorted(variant.annotations.items())] or [_NONE]
    named = f"{repository}:{variant.tag}" if variant.tag else _NONE
    first = (named, _NONE if variant.size is None else size_text(variant.size))
    cells = [*zip_longest(labels, notes, fillvalue="")]
    return [(*first, *cells[0], variant.digest), *(("", "", *cell, "") for cell in cells[1:])]


def _as_the_reference_lists(records: Sequence[ModelKitRecord]) -> list[dict[str, Any]]:
    """Each index once with all its tags, under the keys of ``kit index list --format json``."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        repository = _repository(record)
        index = found.setdefault(
            (repository, record.digest),
            {"repo": repository, "digest": record.digest, "tags": [], "modelKits": len(record.variants or ())},
        )
        index["tags"] += [record.tag] if record.tag else []
    return [found[key] for key in sorted(found)]


def _as_the_reference_tells(record: ModelKitRecord, reference: str) -> dict[str, Any]:
    """An index under the keys of ``kit index info --format json``."""
    repository = _repository(record)
    return {
        "reference": reference,
        "digest": record.digest,
        "modelKits": [
            {
                **({"reference": f"{repository}:{one.tag}"} if one.tag else {}),
                "digest": one.digest,
                "size": one.size,
                "labels": dict(one.labels),
                "annotations": dict(one.annotations),
            }
            for one in record.variants or ()
        ],
    }

"""``kitops list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer_json, answer_table, answer_text, size_text
from kitops_core.cli.settings import Settings

if TYPE_CHECKING:
    from kitops_core.record import ModelKitRecord

_HEADER = ("REPOSITORY", "TAG", "MAINTAINER", "NAME", "SIZE", "DIGEST")


@new_command("list", network=True)
@kit_argument("repository", required=False, default="")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=PATTERN",
    help="List only kits with this: tag=1.*, kit.name=churn. Several times: all of them.",
)
@click.option(
    "-f",
    "--format",
    "format_",
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="table; json: the reference CLI's keys (--json: this tool's); or a line: '{{.reference}} {{.size}}'.",
)
def command(settings: Settings, repository: str, filters: tuple[str, ...], format_: str, as_json: bool) -> None:
    """List the ModelKits of the local store, or those of REPOSITORY in its registry.

    An index is shown with the number of its kits. A kit without a tag is one whose tag moved to another kit;
    `kitops remove --all` removes those. Tags of what is neither, or cannot be read, are named in a warning. Fields are
    those of --json: reference, digest, registry, repository, tag, size, created, kit.name, kit.version and others.
    """
    from kitops_core.cli.record_fields import parse_filters, parse_template
    from kitops_core.cli.transfer import connect

    takes = parse_filters(filters)
    fill = parse_template(format_) if format_ not in ("table", "json") else None
    with connect(settings) as client:
        records = [
            record for record in client.list_kits(repository, untagged=True, indexes=True) if takes(record.to_dict())
        ]
    if fill is not None and not as_json:
        for record in records:
            answer_text(fill(record.to_dict()) + "\n")
    elif as_json:
        answer_json([record.to_dict() for record in records])
    elif format_ == "json":
        answer_json(_as_the_reference_does([record for record in records if record.variants is None]))
    else:
        answer_table(_HEADER, [_row(record) for record in records])


def _row(record: ModelKitRecord) -> tuple[object, ...]:
    repository, author = _repository(record), _author(record)
    name = record.kit.get("name", "") if record.variants is None else f"(index of {len(record.variants)})"
    return repository, record.tag or "<none>", author, name, size_text(record.size), record.digest


def _as_the_reference_does(records: list[ModelKitRecord]) -> list[dict[str, Any]]:
    """Each kit once with all its tags, under the keys of ``kit list --format json``; sizes are bytes, as of 1.17."""
    kits: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        repository = _repository(record)
        kit = kits.setdefault(
            (repository, record.digest),
            {
                "repo": repository,
                "digest": record.digest,
                "tags": [],
                "modelName": record.kit.get("name", ""),
                "size": record.size,
                "author": _author(record),
            },
        )
        kit["tags"] += [record.tag] if record.tag else []
    return list(kits.values())


def _repository(record: ModelKitRecord) -> str:
    """The repository as a person writes it, without tag or digest."""
    name = record.reference.partition("@")[0]
    return name.removesuffix(f":{record.tag}") if record.tag else name


def _author(record: ModelKitRecord) -> str:
    authors = record.kit.get("authors") or [""]
    return str(authors[0])

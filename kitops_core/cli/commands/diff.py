"""``kitops diff``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, new_command
from kitops_core.cli.output import answer, answer_json, answer_rows, note, note_storage, plain_value, size_text
from kitops_core.cli.settings import Settings


@new_command("diff", network=True)
@kit_argument("before")
@kit_argument("after")
@click.option("--files", is_flag=True, help="Read the layers that changed, and say which files and tensors did.")
def command(settings: Settings, before: str, after: str, files: bool, as_json: bool) -> None:
    """Say what differs between the ModelKits BEFORE and AFTER: layers, and fields of the Kitfile.

    Of two indexes it says which variants differ.

    No layer is fetched, unless with --files, and of large ones in a registry then the headers alone. Looks in the
    local store first, then in the registry; local:// or remote:// before a reference decides. The exit code is 0
    whether they differ or not.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        result = client.diff(before, after, files=files)
    note_storage(settings, result.before, result.before_storage)
    note_storage(settings, result.after, result.after_storage)
    if as_json:
        answer_json(result.to_dict())
        return
    if result.same:
        answer("same", result.after)
        return
    answer_rows(
        [
            *(
                (change.change, change.section, change.path, _sizes(change.before, change.after))
                for change in result.layers
            ),
            *(
                (change.change, "file", change.path, detail)
                for change in result.files
                for detail in change.details or ("",)
            ),
            *((change.change, change.variant, _digests(change.before, change.after)) for change in result.variants),
            *(("field", change.field, f"{_value(change.before)} → {_value(change.after)}") for change in result.fields),
        ]
    )
    what = "kits" if result.variants else "layers"
    answer(f"{size_text(result.shared_size)} in {what} that both have")
    if any(change.header_only for change in result.files):
        note(settings, "Of large files in a registry only headers were read, unchecked: pull both kits to compare all.")


def _sizes(before: int, after: int) -> str:
    if before and after:
        return f"{size_text(before)} → {size_text(after)}"
    return size_text(before or after)


def _digests(before: str, after: str) -> str:
    return f"{before} → {after}" if before and after and before != after else before or after


def _value(value: object) -> str:
    return "(none)" if value is None else plain_value(value)

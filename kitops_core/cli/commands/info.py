"""``kitops info``."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, answer_text, note, note_storage, plain_value
from kitops_core.cli.settings import Settings
from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.reference import Where

_PATH = re.compile(r"\.?[A-Za-z0-9_-]+(?:\[\d+\])*(?:\.[A-Za-z0-9_-]+(?:\[\d+\])*)*")
_STEP = re.compile(r"\[(\d+)\]|([A-Za-z0-9_-]+)")


@new_command("info", network=True)
@kit_argument()
@label_option
@click.option(
    "-f", "--filter", "path", metavar="FIELD", help="Show only this field: model.parameters, datasets[0].path."
)
@where_options
def command(settings: Settings, reference: str, path: str | None, where: Where, as_json: bool) -> None:
    """Show the Kitfile of the ModelKit REFERENCE.

    Looks in the local store first, then in the registry.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.kits.remote import remote_datasets_of

    with connect(settings) as client, client.open(reference, where=where) as kit:
        note_storage(settings, kit.reference, kit.storage)
        kitfile = kit.kitfile_data
    for dataset in remote_datasets_of(kitfile):
        note(settings, f"not in the kit: {dataset.url} (`kitops unpack --include-remote` fetches it)")
    if path is None and not as_json:
        answer_text(kitfile.to_yaml())
        return
    value = json.loads(kitfile.to_config({}))
    if path is not None:
        value = _field(value, path)
    if as_json:
        answer_json(value)
    elif isinstance(value, (dict, list)):
        from kitops_core.kitfile.yaml_write import write_value

        answer_text(write_value(value))
    else:
        for line in plain_value(value).splitlines():
            answer(line)


def _field(value: Any, path: str) -> Any:
    """The part of a Kitfile that a path such as ``model.parameters.depth`` or ``datasets[0].path`` names.

    Raises:
        InvalidInputError: It is no path.
        NotFoundError: The Kitfile has no such field.
    """
    if not _PATH.fullmatch(path):
        raise InvalidInputError(f"'{path}' is not a field", hint="write model.parameters or datasets[0].path")
    for index, key in _STEP.findall(path):
        try:
            value = value[int(index)] if index else value[key]
        except (KeyError, IndexError, TypeError):
            raise NotFoundError(f"the Kitfile has no field '{path}'", hint="see all of it without --filter") from None
    return value

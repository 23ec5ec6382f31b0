"""``kitops tag``."""

from __future__ import annotations

from kitops_core.cli.options import kit_argument, new_command, remote_option
from kitops_core.cli.output import answer, answer_json
from kitops_core.cli.settings import Settings


@new_command("tag", network=True)
@kit_argument("source")
@kit_argument("names", nargs=-1, required=True)
@remote_option
def command(settings: Settings, source: str, names: tuple[str, ...], remote: bool, as_json: bool) -> None:
    """Give the ModelKit SOURCE further NAMES: tags of its repository (prod), or references (other/model:1.0).

    Works in the local store, with --remote in the registry. A name that another kit has moves to this one.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        record = client.tag(source, names, where="registry" if remote else "store")
    if as_json:
        answer_json(record.to_dict())
    else:
        answer("tagged", record.digest, *names)

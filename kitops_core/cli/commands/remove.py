"""``kitops remove``."""

from __future__ import annotations

from typing import Literal

import click

from kitops_core.cli.options import kit_argument, new_command, remote_option
from kitops_core.cli.output import answer, answer_json
from kitops_core.cli.settings import Settings
from kitops_core.errors import InvalidReferenceError


@new_command("remove", network=True)
@kit_argument(required=False, default="")
@click.option("-f", "--force", is_flag=True, help="Remove the kit with all its tags; with --all, every kit.")
@click.option("-a", "--all", "everything", is_flag=True, help="Remove all kits of the local store that have no tag.")
@remote_option
def command(settings: Settings, reference: str, force: bool, everything: bool, remote: bool, as_json: bool) -> None:
    """Remove the ModelKit REFERENCE, or one or several of its tags (repository:tag1,tag2), from the local store.

    A digest removes the kit and all its tags. A tag removes that tag, and the kit with its last tag; in a registry
    (--remote) the kit stays there until its digest is removed. `kitops gc` then frees the space.
    """
    if bool(reference) == everything:
        raise click.UsageError("Name a ModelKit, or give --all.")
    if everything and remote:
        raise click.UsageError("--all is for the local store, not for --remote.")
    from kitops_core.cli.transfer import connect

    names = [] if everything else _names(reference)
    with connect(settings) as client:
        if everything:
            removed = client.remove_all(tagged=force)
            rows = [("", kit, kit.rpartition("@")[2]) for kit in removed]
        else:
            where: Literal["store", "registry"] = "registry" if remote else "store"
            rows = [("", name, client.remove(name, force=force, where=where)) for name in names]
    if as_json:
        answer_json([{"reference": name, "digest": digest} for _, name, digest in rows])
        return
    for _, name, digest in rows:
        answer("removed", name, *([] if digest in name else [digest]))
    if everything and not rows:
        answer("nothing to remove")


def _names(reference: str) -> list[str]:
    """One reference for each of the tags.

    Raises:
        InvalidReferenceError: There is neither a tag nor a digest; what to remove is never guessed.
    """
    from kitops_core.reference import check_tag, parse_reference

    path, slash, last = reference.rpartition("/")
    last, *more = last.split(",")
    first = parse_reference(path + slash + last)
    if not first.tag and not first.digest:
        raise InvalidReferenceError(f"'{reference}' has no tag or digest", hint="say which: " + f"{reference}:latest")
    return [str(first), *(str(first.with_tag(check_tag(tag))) for tag in more)]

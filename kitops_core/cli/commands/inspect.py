"""``kitops inspect``."""

from __future__ import annotations

import json

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer_json, note_storage
from kitops_core.cli.settings import Settings
from kitops_core.reference import Where


@new_command("inspect", network=True)
@kit_argument()
@label_option
@where_options
def command(settings: Settings, reference: str, where: Where, as_json: bool) -> None:
    """Show digest, manifest and Kitfile of the ModelKit REFERENCE as JSON, with or without --json.

    Looks in the local store first, then in the registry.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.oci.media_types import ANNOTATION_CLI_VERSION

    with connect(settings) as client, client.open(reference, where=where) as kit:
        note_storage(settings, kit.reference, kit.storage)
        answer_json(
            {
                "digest": kit.digest,
                "cliVersion": kit.manifest.annotations.get(ANNOTATION_CLI_VERSION, "unknown"),
                "kitfile": json.loads(kit.kitfile_data.to_config({})),
                "manifest": json.loads(kit.manifest.raw),
            }
        )

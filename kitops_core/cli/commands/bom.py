"""``kitops bom``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer_text, note
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import open_signing_key, sign_key_option
from kitops_core.errors import StoreError
from kitops_core.reference import Where


@new_command("bom", network=True, answers=False, signs=True)
@kit_argument()
@label_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write (default: stdout)."
)
@click.option("--attach", is_flag=True, help="Attach it to the kit, whose digest stays the same.")
@sign_key_option("Attach it signed with this private key (PEM, or env://NAME).")
@click.option(
    "--verify",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Take metrics and inputs only from statements that this public key verifies. May be given several times.",
)
@where_options
def command(
    settings: Settings,
    reference: str,
    output: Path | None,
    attach: bool,
    sign_key: str | None,
    keys: tuple[str, ...],
    where: Where,
) -> None:
    """Write the bill of materials of the ModelKit REFERENCE: CycloneDX 1.6 as JSON, with its model card.

    The same kit gives the same bytes. Metrics and inputs come from the statements attached to the kit; a bill that is
    signed takes them only from statements that its key or one given with --verify has signed.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.sbom.bill import bom_bytes

    signer = open_signing_key(sign_key) if sign_key else None
    with connect(settings, written="attached", signer=signer) as client:
        data = client.bom(
            reference,
            attach=attach or signer is not None,
            keys=keys,
            where=where,
        )
    text = bom_bytes(data).decode()
    if output is None:
        answer_text(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"'{output}' cannot be written: {error.strerror}") from None
    note(settings, f"wrote {output}")

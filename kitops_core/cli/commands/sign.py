"""``kitops sign``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import open_signing_key, say_attached, sign_key_option
from kitops_core.reference import Where


@new_command("sign", network=True, signs=True)
@kit_argument()
@label_option
@sign_key_option("The private key (PEM, or env://NAME).", required=True)
@click.option("--files", is_flag=True, help="Sign each file instead (OpenSSF model signing).")
@where_options
def command(settings: Settings, reference: str, sign_key: str, files: bool, where: Where, as_json: bool) -> None:
    """Sign the ModelKit REFERENCE, and attach the signature to it.

    It is what `cosign sign --key` writes and `cosign verify` reads: a tag is resolved once, the digest is signed, and
    the kit does not change. With --files it is what `kitops unpack --verify-files` checks. The key's password is
    $COSIGN_PASSWORD, or asked for on a terminal.
    """
    from kitops_core.cli.transfer import connect

    with connect(settings, signer=open_signing_key(sign_key)) as client:
        attached = client.sign_files(reference, where=where) if files else client.sign(reference, where=where)
    say_attached(settings, "signed", attached, as_json)

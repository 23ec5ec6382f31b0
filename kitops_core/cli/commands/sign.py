"""``kitops sign``."""

from __future__ import annotations

import click

from kitops_core.cli.options import kit_argument, new_command, remote_option
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import key_option, open_signing_key, say_attached


@new_command("sign", network=True, signs=True)
@kit_argument()
@key_option("The private key (PEM, or env://NAME).", required=True)
@click.option("--files", is_flag=True, help="Sign each file instead (OpenSSF model signing).")
@remote_option
def command(settings: Settings, reference: str, key: str, files: bool, remote: bool, as_json: bool) -> None:
    """Sign the ModelKit REFERENCE, and attach the signature to it.

    It is what `cosign sign --key` writes and `cosign verify` reads: a tag is resolved once, the digest is signed, and
    the kit does not change. With --files it is what `kitops unpack --verify-files` checks. The key's password is
    $COSIGN_PASSWORD, or asked for on a terminal.
    """
    where = True if remote else None
    signer = open_signing_key(key)
    if files:
        from kitops_core.cli.transfer import transfer
        from kitops_core.kits.sign_files import sign_files

        with transfer(settings, written="sent") as control:
            attached = sign_files(reference, key=signer, remote=where, **control)
    else:
        from kitops_core.evidence.attest import sign

        attached = sign(reference, key=signer, remote=where, **settings.api())
    say_attached(settings, "signed", attached, as_json)

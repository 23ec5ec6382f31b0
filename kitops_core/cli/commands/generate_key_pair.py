"""``kitops generate-key-pair``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer
from kitops_core.cli.settings import Settings
from kitops_core.errors import ConflictError, StoreError


@new_command("generate-key-pair", answers=False)
@click.option(
    "--output-key-prefix",
    "prefix",
    type=click.Path(path_type=Path),
    default="cosign",
    show_default=True,
    metavar="PREFIX",
    help="Write PREFIX.key and PREFIX.pub.",
)
def command(settings: Settings, prefix: Path) -> None:
    """Make a key pair to sign with, in the files that cosign writes and reads.

    The private key is encrypted with a password: $COSIGN_PASSWORD, or what is asked for on a terminal.
    """
    from kitops_core.signing.keys import PASSWORD_VARIABLE, generate_key_pair

    files = Path(f"{prefix}.key"), Path(f"{prefix}.pub")
    if there := [str(file) for file in files if os.path.lexists(file)]:
        raise ConflictError(f"{' and '.join(there)} would be replaced", hint="choose another --output-key-prefix")
    if PASSWORD_VARIABLE in os.environ:
        password = os.environ[PASSWORD_VARIABLE]
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise click.UsageError(f"There is no terminal to ask for the password on; set ${PASSWORD_VARIABLE}.")
    for file, pem, mode in zip(files, generate_key_pair(password.encode()), (0o600, 0o644), strict=True):
        try:
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
                out.write(pem)
        except OSError as error:
            raise StoreError(f"cannot write '{file}': {error.strerror}") from None
        answer("wrote", file)

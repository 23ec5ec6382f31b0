"""``kitops login``."""

from __future__ import annotations

import sys

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, warn
from kitops_core.cli.settings import Settings


@new_command("login", network=True, answers=False)
@click.argument("registry")
@click.option("-u", "--username", default="", help="The user's name.")
@click.option("-p", "--password", default="", help="The password or token; --password-stdin is safer.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def command(settings: Settings, registry: str, username: str, password: str, password_stdin: bool) -> None:
    """Log in to REGISTRY: check the credentials and keep them for later commands.

    What is not given is asked for.
    """
    if password and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other.")
    if not username and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the name on; give --username.")
    username = username or click.prompt("Username", err=True)
    if password:
        warn(settings, "a password on the command line is seen by others on this machine; use --password-stdin")
    elif password_stdin:
        password = sys.stdin.read().strip()
        if not password:
            raise click.UsageError("There is no password on standard input.")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, err=True)
    else:
        raise click.UsageError("There is no terminal to ask for the password on; give --password-stdin.")
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        client.login(registry, username, password)
    answer("logged in", registry)

"""``kitops logout``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer
from kitops_core.cli.settings import Settings


@new_command("logout", answers=False)
@click.argument("registry")
def command(settings: Settings, registry: str) -> None:
    """Forget the credentials that `kitops login` keeps for REGISTRY."""
    with settings.client() as client:
        client.logout(registry)
    answer("logged out", registry)

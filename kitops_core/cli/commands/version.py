"""``kitops version``."""

from __future__ import annotations

import platform

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json
from kitops_core.cli.settings import Settings
from kitops_core.version import __version__


@new_command("version")
def command(settings: Settings, as_json: bool) -> None:
    """Show the version of kitops, of Python and of the platform."""
    seen = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
    if as_json:
        answer_json(seen)
    else:
        answer("kitops", seen["version"])
        answer("python", seen["python"])
        answer("platform", seen["platform"])

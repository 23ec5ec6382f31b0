"""The ``kitops`` command: one module a command, imported only when it runs."""

from __future__ import annotations

import atexit
import gc
import os
import sys

_COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command with the process's arguments and exit with its code (see ``docs/cli.md``)."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        from kitops_core.cli.summary import help_text

        try:
            sys.stdout.write(help_text())
            sys.stdout.flush()
        except BrokenPipeError:
            from kitops_core.cli.failures import reader_gone

            sys.exit(reader_gone())
        return
    # Imports make thousands of objects that stay; looking through them for garbage is a tenth of a small command.
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # and so is looking through all of them once more when the process ends anyway
    # No plugin has a say here, and looking for one reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from kitops_core.cli.group import kitops

    kitops(prog_name="kitops")

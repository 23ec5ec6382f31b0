"""The ``kitops`` command: one module a command, imported only when it runs."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

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
    with _inspect_later():
        import dataclasses  # noqa: F401 - imports it as well

        from kitops_core.cli.group import kitops

    kitops(prog_name="kitops")


class _Inspect(ModuleType):
    """Stands for :mod:`inspect`, which is imported when something else of it is first used."""

    @staticmethod
    def cleandoc(text: str) -> str:
        """As :func:`inspect.cleandoc`, which click calls for the help of every option; one line is clean."""
        if "\n" in text:
            return str(_real_inspect().cleandoc(text))
        return text.strip()

    def __getattr__(self, name: str) -> Any:
        return getattr(_real_inspect(), name)


def _real_inspect() -> ModuleType:
    if isinstance(sys.modules.get("inspect"), _Inspect):
        del sys.modules["inspect"]
    return import_module("inspect")


@contextmanager
def _inspect_later() -> Iterator[None]:
    """Have what is imported in the block import :mod:`inspect` when it uses it; what is imported later has it itself.

    click and dataclasses want it for help texts and for classes without a docstring, and it brings Python's own parser
    along: a twentieth of a small command.
    """
    later = sys.modules.setdefault("inspect", _Inspect("inspect"))
    try:
        yield
    finally:
        if isinstance(later, _Inspect) and sys.modules.get("inspect") is later:
            del sys.modules["inspect"]

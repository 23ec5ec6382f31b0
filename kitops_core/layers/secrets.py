"""See that no layer takes credentials along that only lie in one of its directories."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from kitops_core.errors import SourceError
from kitops_core.files.secrets import READ_BYTES, is_secret_file
from kitops_core.layers.context import problems_error
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import Folder

_HINT = "leave it out with .kitignore, name it in the Kitfile itself, or pack it with --allow-secrets"


def check_secrets(layers: Sequence[LayerPlan]) -> None:
    """See that no file of a directory holds credentials; what an entry names itself is meant.

    Raises:
        SourceError: Some do; all are named.
    """
    found = []
    for layer in layers:
        named = os.fsencode(layer.path)
        for folder, index in layer.members():
            name = folder.prefix + folder.names[index]
            if index in folder.folders or name == named:
                continue
            try:
                if is_secret_file(name, partial(_start, folder, index)):
                    found.append(f"'{os.fsdecode(name)}' holds credentials")
            except OSError as error:
                raise SourceError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}") from None
    if found:
        raise problems_error(found, _HINT)


def _start(folder: Folder, index: int) -> bytes:
    with folder.open(index) as file:
        return file.read(READ_BYTES)

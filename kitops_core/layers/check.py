"""See that layers hold what they are to hold: whole models and datasets, and no credentials that only lie about."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kitops_core.errors import SourceError
from kitops_core.files.incomplete import CUT_HINT, POINTER_HINT, SECTIONS, find_fault
from kitops_core.files.secrets import READ_BYTES, is_secret_file
from kitops_core.layers.context import problems_error
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import FIELDS, SIZE, Folder

_HELD_HINT = "leave it out with .kitignore, name it in the Kitfile itself, or pack it with --allow-secrets"


def check_files(layers: Sequence[LayerPlan], *, allow_pointers: bool = False, allow_secrets: bool = False) -> None:
    """See that models and datasets are whole, and that no file of a directory holds credentials.

    What an entry names itself is meant, credentials or not.

    Args:
        layers: What is to be packed.
        allow_pointers: Pack Git LFS pointers as they are.
        allow_secrets: Pack files that hold credentials inside directories too.

    Raises:
        SourceError: They are not, or some do; all such files are named.
    """
    faults, secrets = [], []
    for layer in layers:
        is_whole = layer.section in SECTIONS
        named = os.fsencode(layer.path)
        for folder, index in layer.members():
            if index in folder.folders:
                continue
            name = folder.prefix + folder.names[index]
            try:
                if is_whole:
                    size = folder.stats[index * FIELDS + SIZE]
                    if fault := find_fault(name, size, lambda: folder.open(index), allow_pointers=allow_pointers):  # noqa: B023
                        faults.append(f"'{os.fsdecode(name)}' {fault}")
                if not allow_secrets and name != named and is_secret_file(name, lambda: _start(folder, index)):  # noqa: B023
                    secrets.append(f"'{os.fsdecode(name)}' holds credentials")
            except (OSError, EOFError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is shorter than it was a moment ago"
                raise SourceError(f"'{os.fsdecode(name)}' cannot be read: {reason}") from None
    if faults:
        is_pointer = any("LFS pointer" in fault for fault in faults)
        allow = " (--allow-lfs-pointers packs them as they are)"
        raise problems_error(faults, POINTER_HINT + allow if is_pointer else CUT_HINT)
    if secrets:
        raise problems_error(secrets, _HELD_HINT)


def _start(folder: Folder, index: int) -> bytes:
    with folder.open(index) as file:
        return file.read(READ_BYTES)

"""See that layers hold what they are to hold: whole models and datasets, and no credentials that only lie about."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Sequence

from kitops_core.errors import SourceError
from kitops_core.files.incomplete import CUT_HINT, POINTER_HINT, SECTIONS, find_fault
from kitops_core.files.secrets import READ_BYTES, is_secret_file
from kitops_core.layers.context import problems_error
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.snapshot import FIELDS, SIZE, Folder

_MAX_MANIFEST = 1024 * 1024
_HELD_HINT = "leave it out with .kitignore, name it in the Kitfile itself, or pack it with --allow-secrets"


def check_files(layers: Sequence[LayerPlan], *, allow_pointers: bool = False, allow_secrets: bool = False) -> None:
    """See that models and datasets are whole, MCP bundles are some, and no file of a directory holds credentials.

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
        if layer.section == "mcpb":
            ((folder, index),) = layer.members()
            if fault := _bundle_fault(folder, index):
                faults.append(f"{layer.address}: '{layer.path}' {fault}")
            continue
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
        allow = " (--allow-lfs-pointers packs them as they are)"
        hints = [POINTER_HINT + allow] if any("LFS pointer" in fault for fault in faults) else []
        hints += [CUT_HINT] if any("header asks" in fault for fault in faults) else []
        raise problems_error(faults, "; ".join(hints) or "pack the bundle again with `mcpb pack`")
    if secrets:
        raise problems_error(secrets, _HELD_HINT)


def _bundle_fault(folder: Folder, index: int) -> str:
    """What keeps a file from being an MCP bundle, as the rest of a sentence; empty where nothing does."""
    try:
        with folder.open(index) as file, zipfile.ZipFile(file) as bundle, bundle.open("manifest.json") as member:
            manifest = json.loads(member.read(_MAX_MANIFEST + 1))
    except KeyError:
        return "has no manifest.json, which an MCP bundle starts with"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error):
        return "is no ZIP archive that can be read, and an MCP bundle is one"
    except (ValueError, RecursionError):
        return "has a manifest.json that is no JSON, or a very large one"
    if not isinstance(manifest, dict):
        return "has a manifest.json that is no JSON object"
    missing = [key for key in ("name", "version", "server") if not manifest.get(key)]
    return f"has a manifest.json without {', '.join(missing)}" if missing else ""


def _start(folder: Folder, index: int) -> bytes:
    with folder.open(index) as file:
        return file.read(READ_BYTES)

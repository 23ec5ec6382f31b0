"""The ``oci-layout`` file that says a directory is an OCI image layout (OCI image spec, image layout)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kitops_core.errors import StoreError
from kitops_core.storage.local.files import ScratchFile, store_errors
from kitops_core.storage.local.index import read_object

LAYOUT_FILE = "oci-layout"
_VERSION = "1.0.0"


def check_layout_file(root: Path) -> bool:
    """Whether a directory is an image layout.

    Raises:
        StoreError: It is one of a version we do not know, or the file is broken.
    """
    path = root / LAYOUT_FILE
    data = read_object(path)
    if data is None:
        return False
    if data.get("imageLayoutVersion") != _VERSION:
        raise StoreError(f"{path}: imageLayoutVersion {data.get('imageLayoutVersion')!r} is not {_VERSION!r}")
    return True


def ensure_layout_file(root: Path, scratch: Path) -> None:
    """Make a directory an image layout, if it is none yet. Two processes may do so at once.

    Raises:
        StoreError: The file cannot be written, or says a version we do not know.
    """
    if check_layout_file(root):
        return
    path = root / LAYOUT_FILE
    with ScratchFile(scratch, 0o666) as new:
        new.write(json.dumps({"imageLayoutVersion": _VERSION}, separators=(",", ":")).encode())
        # A link, not a rename: layouts are locked by this very file, so it must never be replaced by another one.
        with store_errors("write", path):
            try:
                os.link(new.path, path)
            except FileExistsError:
                return
            except OSError:
                # Either the collector of a process that was faster took our unfinished file for rubbish, or this is a
                # file system without links, such as a USB stick's.
                if not check_layout_file(root):
                    new.put(path)

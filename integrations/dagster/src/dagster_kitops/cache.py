"""Kits unpacked on disk, one directory a digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from dagster_kitops.modelkit import ModelKit


def unpacked(kit: ModelKit, cache: Path) -> Path:
    """The directory where this digest is unpacked; it is unpacked now if it was not yet.

    The directory appears complete or not at all, whoever else unpacks the same digest meanwhile. It is shared by all
    that ask for it, so it is to be read and not written.

    Args:
        kit: The kit.
        cache: The cache's directory; made if it does not exist.

    Raises:
        KitOpsError: The kit could not be opened or unpacked.
    """
    target = cache / kit.digest.replace(":", "-")
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache))
    try:
        kit.unpack(staging / "kit")
        try:
            os.rename(staging / "kit", target)
        except OSError:
            if not target.is_dir():  # somebody else was first
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target

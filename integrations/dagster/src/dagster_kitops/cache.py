"""Kits unpacked on disk, one directory a digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from dagster_kitops.modelkit import ModelKit


def unpacked(kit: ModelKit, cache: Path, only: Sequence[str] = ()) -> Path:
    """The directory where this digest is unpacked, or parts of it; it is unpacked now if it was not yet.

    The directory appears complete or not at all, whoever else unpacks the same digest meanwhile. It is shared by all
    that ask for it, so it is to be read and not written.

    Args:
        kit: The kit.
        cache: The cache's directory; made if it does not exist.
        only: Filters such as ``model`` or ``datasets:sample``; none means everything.

    Raises:
        KitOpsError: The kit could not be opened or unpacked.
    """
    target = cache / (kit.digest.replace(":", "-") + _part(only))
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache))
    try:
        kit.unpack(staging / "kit", only=only)
        try:
            os.rename(staging / "kit", target)
        except OSError:
            if not target.is_dir():  # somebody else was first
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _part(only: Sequence[str]) -> str:
    return "-" + sha256("\n".join(sorted(only)).encode()).hexdigest()[:12] if only else ""

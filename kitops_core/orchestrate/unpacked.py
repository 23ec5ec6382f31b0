"""Kits unpacked on disk, one directory a digest. What was used longest ago goes when there is too much."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from kitops_core.errors import StoreError
from kitops_core.events import Control
from kitops_core.staged import StagedDirectory, sweep
from kitops_core.storage.local.locks import FileLock


class Kit(Protocol):
    """A kit that can be unpacked, pinned to its digest."""

    @property
    def digest(self) -> str:
        """The digest of its manifest."""

    def unpack(self, directory: Path, *, only: Sequence[str] = ()) -> object:
        """Unpack it, or the parts that ``only`` names, into a directory."""


_NAME = re.compile(r"sha256-[0-9a-f]{64}(-[0-9a-f]{12})?")
_STAGING = ".unpacking-"

_HELD: dict[Path, FileLock] = {}
"""The directories that this process handed out: they stay as long as it runs."""


def unpacked(kit: Kit, cache: Path, only: Sequence[str] = (), *, max_bytes: int = 0) -> Path:
    """The directory where this digest is unpacked, or parts of it; it is unpacked now if it was not yet.

    The directory appears complete or not at all, whoever else unpacks the same digest meanwhile, and stays as long as
    this process runs. It is shared by all that ask for it, so it is to be read and not written.

    Args:
        kit: The kit.
        cache: The cache's directory; made if it does not exist.
        only: Filters such as ``model`` or ``datasets:sample``; none means everything.
        max_bytes: How large the cache may be once this kit is in it; 0 means any size. Directories that no running
            process uses go first, those used longest ago before the others.

    Raises:
        KitOpsError: The kit could not be opened or unpacked.
        StoreError: The cache cannot be written.
    """
    target = cache / (kit.digest.replace(":", "-") + _part(only))
    try:
        (cache / ".locks").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot unpack into {cache}: {error.strerror}", hint="set the cache to another directory"
        ) from error
    lock = FileLock(_lock(target), shared=True)
    _HELD.setdefault(target, lock)
    if not target.is_dir():
        _unpack(kit, target, only)
        if max_bytes:
            _make_room(cache, max_bytes)
    with suppress(OSError):  # of another user, who may read it
        os.utime(target)
    return target


def _unpack(kit: Kit, target: Path, only: Sequence[str]) -> None:
    sweep(target.parent, re.escape(_STAGING))
    staging = StagedDirectory(target.parent, _STAGING)
    try:
        kit.unpack(staging.files / "kit", only=only)
        try:
            os.rename(staging.files / "kit", target)
        except OSError:
            if not target.is_dir():  # somebody else was first
                raise
    finally:
        staging.discard()


def _make_room(cache: Path, max_bytes: int) -> None:
    """Remove unpacked kits that nobody uses until the cache is small enough."""
    kits = []
    for path in cache.iterdir():
        with suppress(OSError):  # gone meanwhile
            changed = path.stat().st_mtime
            if _NAME.fullmatch(path.name):
                kits.append((changed, path, _size(path)))
    total = sum(size for _, _, size in kits)
    for _, path, size in sorted(kits):
        if total <= max_bytes:
            break
        with suppress(StoreError, OSError), FileLock(_lock(path), control=Control(), patience=0):
            going = StagedDirectory(cache, _STAGING)
            os.rename(path, going.files / "kit")  # never half there
            going.discard()
            total -= size


def _size(directory: Path) -> int:
    return sum(os.lstat(os.path.join(root, name)).st_size for root, _, files in os.walk(directory) for name in files)


def _lock(target: Path) -> Path:
    return target.parent / ".locks" / target.name


def _part(only: Sequence[str]) -> str:
    return "-" + sha256("\n".join(sorted(only)).encode()).hexdigest()[:12] if only else ""

"""Where a kit's files lie in a file system that a block of Prefect's describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefect.filesystems import RemoteFileSystem


@dataclass(frozen=True)
class StoragePath:
    """A path in a file system, to be packed without a copy.

    Attributes:
        url: Its URL.
        path: The path as the file system names it.
        fs: The file system, of fsspec's.
    """

    url: str
    path: str
    fs: Any = field(repr=False)

    def __str__(self) -> str:
        """Its URL."""
        return self.url


def storage_path(block: RemoteFileSystem, path: str = "") -> StoragePath:
    """A path below a block's base path, with the block's own settings and credentials.

    Args:
        block: The block: ``RemoteFileSystem.load("models")``.
        path: The path below its base path; empty for that itself.
    """
    url = "/".join(part for part in (block.basepath.rstrip("/"), path.strip("/")) if part)
    system = block.filesystem
    return StoragePath(url, system._strip_protocol(url), system)

"""Files that are somewhere else, and what is known of them before they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kitops_core.errors import IntegrityError
from kitops_core.events import Control


@dataclass(frozen=True)
class RemoteFile:
    """A file of a hub, with the digest that the hub tells.

    Attributes:
        path: Its path in the repository.
        size: Its size in bytes.
        sha256: Its SHA-256 in hex, where the hub tells; it is then kept in large file storage.
        git_oid: Else its git blob id in hex: SHA-1 over a header and the bytes.
    """

    path: str
    size: int
    sha256: str = ""
    git_oid: str = ""

    @property
    def identity(self) -> str:
        """What changes when the bytes do."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git:{self.git_oid}"


class RemoteFiles(Protocol):
    """All files of a repository at one commit. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """What they are, pinned: ``hf://organisation/model@commit``."""

    @property
    def files(self) -> Sequence[RemoteFile]:
        """The files."""

    def stream(self, file: RemoteFile, control: Control) -> Iterator[memoryview]:
        """A file's bytes from the beginning, each buffer valid until the next.

        Raises (while iterating):
            IntegrityError: They are not those that the hub announced; known at the end.
            DeniedError, NotFoundError, RegistryError: The hub refused or failed.
        """

    def start(self, file: RemoteFile, most: int, control: Control) -> bytes:
        """The first ``most`` bytes of a file; checked only where that is all of it."""


class GitBlobCheck:
    """Checks bytes against a git blob id as they pass."""

    def __init__(self, file: RemoteFile, where: str) -> None:
        self._file = file
        self._where = where
        self._seen = 0
        # Not for security: it is the only digest the hub tells of a small file, and catches what a network alters.
        self._hash = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)

    def update(self, data: memoryview | bytes) -> None:
        """Take the next bytes.

        Raises:
            IntegrityError: There are more than the hub announced.
        """
        self._seen += len(data)
        if self._seen > self._file.size:
            raise IntegrityError(f"{self._where} has more bytes than the {self._file.size} that the Hub announced")
        self._hash.update(data)

    def finish(self) -> None:
        """All bytes were seen.

        Raises:
            IntegrityError: They are not those that the hub announced.
        """
        if self._seen != self._file.size:
            raise IntegrityError(
                f"{self._where} ends {self._file.size - self._seen} bytes short of the {self._file.size} announced"
            )
        if self._hash.hexdigest() != self._file.git_oid:
            raise IntegrityError(
                f"{self._where} was altered: the Hub announced git blob {self._file.git_oid}, "
                f"and sent {self._hash.hexdigest()}"
            )

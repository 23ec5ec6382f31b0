"""A directory of blobs named by their digest, as in every OCI image layout: ``blobs/<algorithm>/<hex>``."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal

from kitops_core.errors import IntegrityError, NotFoundError, StoreError
from kitops_core.events import Control, Event
from kitops_core.oci.blob import BlobReader, BlobSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.reference import is_digest
from kitops_core.storage import Written
from kitops_core.storage.local.files import ScratchFile, make_directory, store_errors, sync_directory

_READ_ONLY = 0o444


class BlobDirectory:
    """The blobs of a store or layout. Safe to use from several threads and processes.

    Args:
        root: The layout's directory, which has or will have ``blobs``.
        scratch: Where a blob is written before its digest is known; on the same file system.
        name: What it is the blobs of, for messages.
        fsync: Whether a blob's bytes are flushed to the disk before it takes its name.
    """

    def __init__(self, root: Path, scratch: Path, name: str, *, fsync: bool) -> None:
        self.root = root / "blobs"
        self._scratch = scratch
        self._name = name
        self._fsync = fsync

    def path(self, digest: str) -> Path:
        """The file of a blob.

        Raises:
            IntegrityError: ``digest`` is not a digest, so it must not become part of a path.
        """
        if not is_digest(digest):
            raise IntegrityError(f"{self._name}: '{digest}' is not a digest")
        algorithm, _, encoded = digest.partition(":")
        return self.root / algorithm / encoded

    def size(self, digest: str) -> int | None:
        """Length of a blob in bytes, or ``None`` where it is not there.

        Raises:
            StoreError: It cannot be looked at.
        """
        path = self.path(digest)
        with store_errors("read", path):
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there, with the size the descriptor says."""
        return self.size(descriptor.digest) == descriptor.size

    def open(self, descriptor: Descriptor) -> BlobReader:
        """Read a blob, checked while it is read.

        Raises:
            NotFoundError: It is not there.
            StoreError: It cannot be opened, or is not a plain file.
        """
        path = self.path(descriptor.digest)
        with store_errors("read", path):
            try:
                # Not blocking, or a pipe put in a blob's place would hang the reader before it can be refused.
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                raise NotFoundError(f"{self._name} has no blob {descriptor.digest}") from None
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise StoreError(f"{path} is not a plain file", hint="remove it, and pull or pack the kit again")
            return BlobReader(io.FileIO(fd), descriptor, self._name)

    def write(self, source: BlobSource, control: Control) -> Written:
        """Write a blob in one pass, learning its digest on the way; nothing where it is known and already there.

        A blob that is there already is replaced by the bytes just read, which mends one that a crash or a bad disk
        altered. No partial file is left by an error or a cancel.

        Raises:
            IntegrityError: The bytes are not those of ``source.known``.
            StoreError: The disk is full, or the directory cannot be written.
            CancelledError: The switch was flipped.
        """
        control.check()
        control.emit(Event("start", source.name, 0, source.size))
        known = source.known
        if known is not None and self.has(known):
            self._keep(known.digest)
            control.emit(Event("finish", source.name, known.size, known.size, "present"))
            return Written(known, "present")
        descriptor, was_there = self._receive(source, control)
        outcome: Literal["present", "written"] = "present" if was_there else "written"
        control.emit(Event("finish", source.name, descriptor.size, descriptor.size, outcome))
        return Written(descriptor, outcome)

    def put(self, digest: str, data: bytes) -> None:
        """Write a blob whose bytes are at hand, over what may be there.

        Raises:
            StoreError: The disk is full, or the directory cannot be written.
        """
        with ScratchFile(self._scratch) as new:
            new.write(data)
            self._publish(new, digest)

    def sync(self) -> None:
        """Flush the names of the blobs to the disk, before an index names them."""
        if self._fsync:
            for algorithm in ("sha256", "sha512"):
                if (self.root / algorithm).is_dir():
                    sync_directory(self.root / algorithm)

    def _receive(self, source: BlobSource, control: Control) -> tuple[Descriptor, bool]:
        known, done = source.known, 0
        algorithm = known.digest.partition(":")[0] if known else "sha256"
        trusted = known.digest if known and source.verified else ""
        hasher = hashlib.new(algorithm)
        with ScratchFile(self._scratch) as new:
            for buffer in source.stream():
                control.check()
                if not trusted:
                    hasher.update(buffer)
                new.write(buffer)
                done += len(buffer)
                control.emit(Event("advance", source.name, done, source.size))
            control.check()
            digest = trusted or f"{algorithm}:{hasher.hexdigest()}"
            if known and (digest, done) != (known.digest, known.size):
                raise IntegrityError(
                    f"{source.name}: got {done} bytes with digest {digest}, "
                    f"expected {known.size} bytes with {known.digest}"
                )
            was_there = self.size(digest) == done
            self._publish(new, digest)
        return known or Descriptor(source.media_type, digest, done), was_there

    def _publish(self, new: ScratchFile, digest: str) -> None:
        path = self.path(digest)
        make_directory(path.parent)
        new.set_mode(_READ_ONLY)
        if self._fsync:
            new.flush()
        new.put(path)

    def _keep(self, digest: str) -> None:
        # The collector spares young blobs; one that another user owns cannot be touched, and its locks spare it too.
        with suppress(OSError):
            os.utime(self.path(digest))

"""Layers as streams of bytes, made from the files of a plan while they are read: nothing is written to disk."""

import errno
import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import closing

from kitops_core.errors import SourceChangedError, SourceError
from kitops_core.layers import codecs
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.readahead import ReadAhead
from kitops_core.layers.snapshot import DEVICE, FIELDS, INODE, MODE, SIZE, Folder, stamp
from kitops_core.layers.tar_writer import TRAILER, header, padding
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No links but those that were planned, and no waiting where a file was replaced by a FIFO."""
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE)


class LayerSource:
    """A layer, to be written as a blob (a :class:`~kitops_core.oci.blob.BlobSource`).

    Attributes:
        name: The entry's path in the kit.
        media_type: The layer's media type.
        size: Its exact length, or ``None`` for a compressed one.
        known: Its descriptor, where it was packed before and no file changed since.
        verified: False: whoever writes the bytes hashes them.
        diff_id: Digest of the uncompressed bytes, once a compressed stream was read to its end; ``None`` without
            compression, where it is the blob's digest.
    """

    verified = False

    def __init__(
        self,
        plan: LayerPlan,
        layer_type: LayerType,
        *,
        model_pack: bool = False,
        fastest: bool = False,
        known: Descriptor | None = None,
    ) -> None:
        """Make a source.

        Args:
            plan: What the layer holds.
            layer_type: How it is written; its format is the plan's.
            model_pack: Whether it belongs to a ModelPack instead of a ModelKit.
            fastest: Compress as fast as can be instead of better.
            known: Its descriptor where it is known.
        """
        self.name = plan.path
        self.media_type = layer_type.modelpack() if model_pack else layer_type.modelkit()
        self.size = plan.size if layer_type.compression == "none" else None
        self.known = known
        self.diff_id: str | None = None
        self._plan = plan
        self._compression = layer_type.compression
        self._fastest = fastest

    def stream(self) -> Iterator[memoryview]:
        """The bytes from the beginning, each buffer valid until the next is asked for.

        Raises (while iterating):
            SourceChangedError: A file changed since the plan was made.
            SourceError: A file cannot be read.
        """
        self.diff_id = None
        plain = _plain(self._plan)
        return plain if self._compression == "none" else self._compressed(plain)

    def _compressed(self, plain: Generator[memoryview, None, None]) -> Iterator[memoryview]:
        digest = hashlib.sha256()
        with closing(plain):
            yield from codecs.compressed(plain, self._compression, fastest=self._fastest, on_plain=digest.update)
        self.diff_id = "sha256:" + digest.hexdigest()


class _Files:
    """Opens planned files, in the directory that the last one was in where they share it."""

    def __init__(self) -> None:
        self._folder: Folder | None = None
        self._handle: int | None = None

    def open(self, folder: Folder, index: int) -> int:
        """A descriptor of a planned file."""
        if folder is not self._folder:
            self.close()
            if folder.disk is not None:
                self._handle = os.open(folder.disk, _FLAGS | os.O_DIRECTORY)
            self._folder = folder
        name = folder.names[index]
        flags = _FLAGS & ~os.O_NOFOLLOW if index in folder.links else _FLAGS
        return os.open(name if self._handle is not None else folder.path(name), flags, dir_fd=self._handle)

    def close(self) -> None:
        """Let go of the directory."""
        self._folder = None
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _plain(plan: LayerPlan) -> Generator[memoryview, None, None]:
    """The uncompressed layer: many small files to a buffer, large files straight into it."""
    is_tar = plan.format == "tar"
    view = memoryview(bytearray(BUFFER_BYTES))
    at = 0
    with closing(_Files()) as files, closing(ReadAhead(plan)) as ahead:
        for number, (folder, index) in enumerate(plan.members()):
            name = folder.prefix + folder.names[index]
            expected = tuple(folder.stats[index * FIELDS : (index + 1) * FIELDS])
            is_folder = index in folder.folders
            left = 0 if is_folder else expected[SIZE]
            if is_tar:
                block = header(name, expected[MODE], left, directory=is_folder)
                if at + len(block) + left > BUFFER_BYTES and at:
                    ahead.pause(number)
                    yield view[:at]
                    ahead.resume()
                    at = 0
                view[at : at + len(block)] = block
                at += len(block)
            if is_folder:
                continue
            try:
                handle = files.open(folder, index)
                try:
                    if left > BUFFER_BYTES:
                        _verify(name, handle, expected)  # before much is read in vain
                        _expect_all(handle)
                    while left:
                        count = os.readv(handle, [view[at : at + left]])
                        if not count:
                            break
                        at += count
                        left -= count
                        if at == BUFFER_BYTES:
                            yield view
                            ahead.resume()
                            at = 0
                    if left or stamp(os.fstat(handle)) != expected:
                        _verify(name, handle, expected)
                        raise _changed(name, f"ends {left} bytes before the size the file system says")
                finally:
                    os.close(handle)
            except OSError as error:
                raise _unreadable(name, error) from None
            if is_tar:
                # Headers start and buffers end at multiples of 512, so what fills the last block always fits.
                rest = padding(expected[SIZE])
                view[at : at + rest] = bytes(rest)
                at += rest
    if is_tar and at + len(TRAILER) > BUFFER_BYTES:
        yield view[:at]
        at = 0
    if is_tar:
        view[at : at + len(TRAILER)] = TRAILER
        at += len(TRAILER)
    if at:
        yield view[:at]


def _expect_all(handle: int) -> None:
    """Tell the system that a file will be read from front to end: it then reads further ahead."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def _verify(name: bytes, handle: int, expected: tuple[int, ...]) -> None:
    """Check that an open file is still what was planned; done after reading it, so that what was read is that too."""
    found = stamp(os.fstat(handle))
    if found == expected:
        return
    same_kind = stat.S_IFMT(found[MODE]) == stat.S_IFMT(expected[MODE])
    if not same_kind or found[INODE] != expected[INODE] or found[DEVICE] != expected[DEVICE]:
        raise _changed(name, "was replaced")
    if found[SIZE] < expected[SIZE]:
        raise _changed(name, f"shrank from {expected[SIZE]} to {found[SIZE]} bytes")
    if found[SIZE] > expected[SIZE]:
        raise _changed(name, f"grew from {expected[SIZE]} to {found[SIZE]} bytes")
    raise _changed(name, "was changed")


def _changed(name: bytes, how: str) -> SourceChangedError:
    return SourceChangedError(
        f"'{os.fsdecode(name)}' {how} while it was packed", hint="pack again once nothing writes to it"
    )


def _unreadable(name: bytes, error: OSError) -> SourceError:
    if error.errno in _REPLACED:
        return _changed(name, "was removed or replaced")
    return SourceError(f"'{os.fsdecode(name)}' cannot be read: {error.strerror}")

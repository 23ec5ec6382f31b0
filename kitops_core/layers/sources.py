"""Layers as streams of bytes, made from the files of a plan while they are read: nothing is written to disk."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing

from kitops_core.events import Control
from kitops_core.layers import codecs
from kitops_core.layers.plan import LayerPlan
from kitops_core.layers.planned_files import PlannedFiles, unreadable
from kitops_core.layers.readahead import ReadAhead
from kitops_core.layers.snapshot import FIELDS, MODE, SIZE
from kitops_core.layers.tar_writer import BLOCK_BYTES, TRAILER, header, padding
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType

READ_BYTES = 256 * 1024
"""How much is read, hashed and sent at a time: what stays in a core's own cache costs a tenth less to copy and hash."""


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
        control: Control | None = None,
    ) -> None:
        """Make a source.

        Args:
            plan: What the layer holds.
            layer_type: How it is written; its format is the plan's.
            model_pack: Whether it belongs to a ModelPack instead of a ModelKit.
            fastest: Compress as fast as can be instead of better.
            known: Its descriptor where it is known.
            control: What stops waiting for an object store, and says how much of it may be read ahead.
        """
        self.name = plan.path
        self.media_type = layer_type.modelpack() if model_pack else layer_type.modelkit()
        self.size = plan.size if layer_type.compression == "none" else None
        self.known = known
        self.diff_id: str | None = None
        self._plan = plan
        self._compression = layer_type.compression
        self._fastest = fastest
        self._control = control or Control()

    def stream(self) -> Iterator[memoryview]:
        """The bytes from the beginning, each buffer valid until the next is asked for.

        Raises (while iterating):
            SourceChangedError: A file changed since the plan was made.
            SourceError, DeniedError: A file cannot be read.
        """
        self.diff_id = None
        plain = _plain(self._plan, self._control)
        return plain if self._compression == "none" else self._compressed(plain)

    def _compressed(self, plain: Generator[memoryview, None, None]) -> Iterator[memoryview]:
        digest = hashlib.sha256()
        with closing(plain):
            yield from codecs.compressed(plain, self._compression, fastest=self._fastest, on_plain=digest.update)
        self.diff_id = "sha256:" + digest.hexdigest()


def _plain(plan: LayerPlan, control: Control) -> Generator[memoryview, None, None]:
    """The uncompressed layer: many small files to a buffer, large files straight into it."""
    is_tar = plan.format == "tar"
    # No larger than the layer: a kit of many small ones would spend its time on emptying memory.
    room = min(READ_BYTES, (plan.size // BLOCK_BYTES + 2) * BLOCK_BYTES)
    view = memoryview(bytearray(room))
    at = 0
    with closing(PlannedFiles(plan, control)) as files, closing(ReadAhead(plan)) as ahead:
        for number, (folder, index) in enumerate(plan.members()):
            name = folder.prefix + folder.names[index]
            expected = tuple(folder.stats[index * FIELDS : (index + 1) * FIELDS])
            is_folder = index in folder.folders
            left = 0 if is_folder else expected[SIZE]
            if is_tar:
                block = header(name, expected[MODE], left, directory=is_folder)
                if at + len(block) + left > room and at:
                    ahead.pause(number)
                    yield view[:at]
                    ahead.resume()
                    at = 0
                view[at : at + len(block)] = block
                at += len(block)
            if is_folder:
                continue
            try:
                with closing(files.open(folder, index, name, expected)) as file:
                    while left:
                        count = file.readinto(view[at : at + left])
                        if not count:
                            break
                        at += count
                        left -= count
                        if at == room:
                            yield view
                            ahead.resume()
                            at = 0
                    file.finish(left)
            except OSError as error:
                raise unreadable(name, error) from None
            if is_tar:
                # Headers start and buffers end at multiples of 512, so what fills the last block always fits.
                rest = padding(expected[SIZE])
                view[at : at + rest] = bytes(rest)
                at += rest
        files.finish()
    if is_tar and at + len(TRAILER) > room:
        yield view[:at]
        at = 0
    if is_tar:
        view[at : at + len(TRAILER)] = TRAILER
        at += len(TRAILER)
    if at:
        yield view[:at]

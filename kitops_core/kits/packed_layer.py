"""A layer while it is packed: looked up, written where it is missing, remembered."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from kitops_core.events import Control
from kitops_core.kits.packing import CompressionName
from kitops_core.oci.blob import SMALL_BYTES, BytesSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType
from kitops_core.record import LayerRecord
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.layers.plan import LayerPlan
    from kitops_core.layers.sources import LayerSource
    from kitops_core.storage.local import LayerCache


class FinishedLayer(NamedTuple):
    """What the config and the manifest say of a layer.

    Attributes:
        address: The entry's name in the Kitfile: ``model.parts[0]``.
        descriptor: The layer's descriptor with its annotations.
        diff_id: Digest of the uncompressed bytes.
    """

    address: str
    descriptor: Descriptor
    diff_id: str


@dataclass
class PackedLayer:
    """One layer on its way: its plan, what is known of it, and what became of it.

    Attributes:
        plan: What the layer holds.
        type: How it is written.
        compression: The compression asked for; ``gzip-fastest`` is a way of writing ``gzip``.
        model_pack: Whether it belongs to a ModelPack.
        cache: What was packed before.
        known: Its descriptor without annotations, once it is known.
        diff_id: Digest of the uncompressed bytes, once it is known.
        mount_from: Repositories that hold it.
        outcome: ``written``, ``present`` or ``mounted``.
        started: When reading its files began, in nanoseconds since 1970; 0 before that.
    """

    plan: LayerPlan
    type: LayerType
    compression: CompressionName
    model_pack: bool
    cache: LayerCache
    known: Descriptor | None = None
    diff_id: str = ""
    mount_from: tuple[str, ...] = ()
    outcome: str = "present"
    started: int = 0

    @property
    def path(self) -> str:
        """The entry's path in the kit."""
        return self.plan.path

    @property
    def size(self) -> int:
        """Exact length of the uncompressed layer in bytes."""
        return self.plan.size

    @property
    def media_type(self) -> str:
        """The layer's media type."""
        return self.type.modelpack() if self.model_pack else self.type.modelkit()

    def look_up(self) -> None:
        """Take the digest from the cache, where no file changed since it was recorded."""
        cached = self.cache.get(self._cache_key())
        if cached is not None:
            self.known = Descriptor(self.media_type, cached.digest, cached.size)
            self.diff_id = cached.diff_id
            self.mount_from = tuple(cached.repositories)

    def learn(self, size_before: int, control: Control) -> None:
        """Learn the layer's digest where that is worth reading its files once more.

        Args:
            size_before: Bytes of this layer in the kit that is being replaced, -1 where that has no such layer.
                Where the size is still the same, the bytes may be too: a fresh checkout has new timestamps, and
                reading is faster than any network.
            control: Cancelling.
        """
        # Objects come over a network too: they are read once.
        worth_it = self.type.compression == "none" and self.plan.size == size_before and not self.plan.has_objects
        if self.known is None and worth_it:
            self.started = time.time_ns()
            self.known = self._hashed(control)
            self.diff_id = self.known.digest

    def write(
        self, storage: Storage, size_before: int, control: Control, learned: Callable[[], None] = lambda: None
    ) -> None:
        """Write the layer, unless the storage has it, and remember its digest.

        Args:
            storage: Where to.
            size_before: See :meth:`learn`.
            control: Progress and cancelling.
            learned: Called when :meth:`finished` says what is final, perhaps several times.
        """
        self.learn(size_before, control)
        self.started = self.started or time.time_ns()
        source = self._source(control)

        def know(descriptor: Descriptor) -> None:
            self.known = descriptor
            if self.type.compression == "none":
                self.diff_id = descriptor.digest
            elif source.diff_id:  # else nothing was read, and the cache knew it
                self.diff_id = source.diff_id
            learned()

        if self.known is not None:
            know(self.known)
        small = self._in_memory(control)
        if small is not None:
            know(small.descriptor)
        written = storage.write_blob(small or source, control, mount_from=self.mount_from, learned=know)
        know(written.descriptor)
        self.outcome = written.outcome
        self.remember(storage)

    def remember(self, storage: Storage) -> None:
        """Keep in the cache what was learned, and that the storage has it."""
        if self.known is not None and self.started:
            self.cache.put(
                self._cache_key(),
                self.known,
                self.diff_id,
                storage.name,
                newest_ns=self.plan.newest_ns,
                started_ns=self.started,
            )

    def descriptor(self) -> Descriptor:
        """The layer's descriptor as the manifest carries it."""
        known = self.known or Descriptor(self.media_type, "sha256:" + "0" * 64, self.plan.size)
        return replace(known, annotations=self.type.annotations(self.plan.path))

    def finished(self) -> FinishedLayer:
        """What the config and the manifest say of the layer."""
        return FinishedLayer(self.plan.address, self.descriptor(), self.diff_id)

    def record(self) -> LayerRecord:
        """The layer in the shared record."""
        descriptor = self.descriptor()
        return LayerRecord(
            section=self.plan.section,
            path=self.plan.path,
            media_type=self.media_type,
            digest=descriptor.digest,
            diff_id=self.diff_id,
            size=descriptor.size,
            outcome=self.outcome,
        )

    def _source(self, control: Control) -> LayerSource:
        from kitops_core.layers.sources import LayerSource

        return LayerSource(
            self.plan,
            self.type,
            model_pack=self.model_pack,
            fastest=self.compression == "gzip-fastest",
            known=self.known,
            control=control,
        )

    def _in_memory(self, control: Control) -> BytesSource | None:
        """The layer's bytes, where they are few and new: a registry then takes them in two requests and not three."""
        if self.known is not None or self.type.compression != "none" or self.plan.size > SMALL_BYTES:
            return None
        data = bytearray()
        for chunk in self._source(control).stream():
            control.check()
            data += chunk
        return BytesSource(bytes(data), self.media_type, self.plan.path)

    def _hashed(self, control: Control) -> Descriptor:
        digest = hashlib.sha256()
        for chunk in self._source(control).stream():
            control.check()
            digest.update(chunk)
        return Descriptor(self.media_type, f"sha256:{digest.hexdigest()}", self.plan.size)

    def _cache_key(self) -> str:
        return f"{self.plan.fingerprint()} {self.media_type} {self.compression}"

"""What the local store's repositories and layout directories have in common: a directory of blobs under an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from kitops_core.errors import IntegrityError, LostRaceError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci import media_types
from kitops_core.oci.blob import BlobReader, BlobSource
from kitops_core.oci.kit_index import AnyManifest, parse_any
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest
from kitops_core.storage import Written
from kitops_core.storage.local.blobs import BlobDirectory
from kitops_core.storage.local.index import Entry


class DirectoryStorage(ABC):
    """The half of the storage protocol that does not depend on how the index is kept.

    Args:
        name: ``registry/repository`` or ``oci:PATH``.
        blobs: Where the blobs are.
        control: What ends waiting, for whoever has no control of its own.
    """

    def __init__(self, name: str, blobs: BlobDirectory, control: Control) -> None:
        self.control = control
        self._name = name
        self._blobs = blobs
        self._attached: dict[str, tuple[str, Descriptor]] = {}  # a manifest's subject never changes: each is read once

    @property
    def name(self) -> str:
        """``registry/repository`` or ``oci:PATH``, for messages and records."""
        return self._name

    @property
    def place(self) -> tuple[str, str]:
        """The directory and the repository."""
        return f"directory:{self._blobs.root}", self._name

    @abstractmethod
    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest."""

    @abstractmethod
    def put_manifest(self, manifest: AnyManifest, tags: Sequence[str] = (), *, kept: bool = False) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it."""

    def keep(self, manifest: AnyManifest, tag: str = "") -> None:  # noqa: B027 - nothing is to be done
        """Do nothing: a manifest stays here without a tag."""

    def keep_present(self, digest: str) -> None:  # noqa: B027 - nothing is to be done
        """Do nothing: a manifest stays here without a tag."""

    def own_tags(self) -> Iterator[str]:
        """None."""
        return iter(())

    def seen_tags(self) -> Collection[str] | None:
        """``None``: tags keep nothing here."""
        return None

    @abstractmethod
    def _prepare_write(self, control: Control) -> None:
        """Make the directories, and take what keeps the collector away from blobs no manifest names yet."""

    @abstractmethod
    def _index(self) -> list[Entry]:
        """The entries of ``index.json``."""

    def manifest(self, target: str) -> Manifest:
        """The manifest behind a tag or digest, its bytes checked.

        Raises:
            NotFoundError: There is none.
            WrongKindError: It is an index.
            IntegrityError: The bytes have another digest, or are not an image manifest.
        """
        descriptor = self.resolve(target)
        return self._read_manifest(descriptor)

    def read(self, target: str, *, index_first: bool = False) -> AnyManifest:
        """The manifest or index behind a tag or digest, its bytes checked.

        Args:
            target: The tag or digest.
            index_first: Changes nothing where a tag names one thing.

        Raises:
            NotFoundError: There is none.
            IntegrityError: The bytes have another digest, or are neither.
        """
        return self._read_any(self.resolve(target))

    def put_referrers(self, manifests: Sequence[Manifest]) -> None:
        """Store manifests that have a subject.

        Raises:
            NotFoundError: A blob that one names is not here.
            StoreError: The directory cannot be written, or an index file is broken.
        """
        for manifest in manifests:
            self.put_manifest(manifest)

    def put_unlisted(self, manifests: Sequence[Manifest]) -> Callable[[], None]:
        """The same: what is stored here is listed."""
        self.put_referrers(manifests)
        return lambda: None

    def holds(self, manifest: AnyManifest) -> bool:
        """Whether a manifest is here with all it names.

        Raises:
            StoreError: An index file is broken.
        """
        try:
            self.resolve(manifest.digest)
        except NotFoundError:
            return False
        return all(map(self.has_blob, manifest.blobs))

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there, with the size the descriptor says."""
        return self._blobs.has(descriptor)

    def open_parts(self, descriptor: Descriptor, control: Control) -> None:  # noqa: B027 - a blob is at hand
        """``None``: a blob is at hand, and read whole."""

    def open_blob(self, descriptor: Descriptor, control: Control) -> BlobReader:
        """Read a blob, checked while it is read.

        Raises:
            NotFoundError: It is not there.
            StoreError: It cannot be opened.
        """
        control.check()
        return self._blobs.open(descriptor)

    def write_blob(
        self,
        source: BlobSource,
        control: Control,
        *,
        mount_from: Sequence[str] = (),
        fresh: bool = False,
        learned: Callable[[Descriptor], None] = lambda _: None,
    ) -> Written:
        """Write a blob in one pass and learn its digest; nothing is moved where it is known and already there.

        ``mount_from``, ``fresh`` and ``learned`` change nothing here: all repositories of a store share its blobs, and
        asking for one costs nothing.

        Raises:
            IntegrityError: The bytes are not those the source announced.
            StoreError: The disk is full, or the directory cannot be written.
            CancelledError: The switch was flipped.
        """
        self._prepare_write(control)
        return self._blobs.write(source, control)

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given."""
        found = [descriptor for subject, descriptor in self._all_referrers() if subject == digest]
        return [descriptor for descriptor in found if artifact_type in ("", descriptor.artifact_type)]

    def subjects(self) -> Iterator[str]:
        """Digests of the manifests that something is attached to."""
        return iter(sorted({subject for subject, _ in self._all_referrers() if subject}))

    def _all_referrers(self) -> list[tuple[str, Descriptor]]:
        """Each manifest with its subject, or an empty string where it has none."""
        index = {entry["digest"]: entry for entry in self._index()}
        unknown = [entry for name, entry in index.items() if name not in self._attached]
        for manifest in self._image_manifests(unknown):
            kind = manifest.artifact_type or manifest.config.media_type
            descriptor = replace(manifest.descriptor, artifact_type=kind, annotations=manifest.annotations)
            self._attached[descriptor.digest] = (manifest.subject.digest if manifest.subject else "", descriptor)
        return [self._attached[name] for name in index if name in self._attached and self._is_there(index[name])]

    def _is_there(self, entry: Entry) -> bool:
        return self._blobs.size(entry["digest"]) is not None

    def _image_manifests(self, entries: Iterable[Entry]) -> Iterator[Manifest]:
        """The image manifests that can be read; what is missing, altered or another kind cannot be a referrer."""
        for entry in entries:
            if entry["mediaType"] == media_types.IMAGE_MANIFEST:
                try:
                    yield self._read_manifest(Descriptor.from_dict(entry, self._name))
                except (NotFoundError, IntegrityError):
                    continue

    def _check_race(self, tag: str, expected: str, found: str) -> None:
        if found != expected:
            raise LostRaceError.at(f"{self._name}:{tag}", expected, found)

    def _read_manifest(self, descriptor: Descriptor) -> Manifest:
        return parse_manifest(self._read_raw(descriptor), f"{self._name}@{descriptor.digest}")

    def _read_any(self, descriptor: Descriptor) -> AnyManifest:
        return parse_any(self._read_raw(descriptor), f"{self._name}@{descriptor.digest}", descriptor.media_type)

    def _read_raw(self, descriptor: Descriptor) -> bytes:
        with self._blobs.open(descriptor) as reader:
            return bytes(reader.read_all(MAX_MANIFEST_BYTES))

    def _write_manifest_blob(self, manifest: AnyManifest) -> None:
        """Write the manifest's bytes, once everything it names is here, and make all names durable."""
        for blob in manifest.blobs:
            if not self._blobs.has(blob):
                raise NotFoundError(
                    f"{self._name}: the manifest {manifest.digest} names blob {blob.digest}, which is not here",
                    hint="write the config and all layers before the manifest",
                )
        self._blobs.put(manifest.digest, manifest.raw)
        self._blobs.sync()

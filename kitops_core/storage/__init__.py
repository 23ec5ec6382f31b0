"""Where kits live: one protocol, implemented by the local store, by layout directories and by registries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from kitops_core.events import Control
    from kitops_core.oci.blob import BlobReader, BlobSource
    from kitops_core.oci.kit_index import AnyManifest
    from kitops_core.oci.manifest import Descriptor, Manifest


class Written(NamedTuple):
    """What became of a blob.

    Attributes:
        descriptor: The blob's descriptor, with the digest learned while it was written.
        outcome: ``written``, ``present`` (nothing was moved) or ``mounted`` (taken from another repository).
    """

    descriptor: Descriptor
    outcome: Literal["written", "present", "mounted"]


class Storage(Protocol):
    """One repository: in a registry, in the local store, or a layout directory. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """``registry/repository`` or ``oci:PATH``, for messages and records."""

    @property
    def place(self) -> tuple[str, str]:
        """Where it is, and which repository there.

        Storages of one place hold the same; those whose places begin alike can take blobs from each other.
        """

    @property
    def control(self) -> Control:
        """What ends waiting here, of the operation that it was opened for; for whoever reads and has none given."""

    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest.

        Raises:
            NotFoundError: There is none.
        """

    def manifest(self, target: str) -> Manifest:
        """The manifest behind a tag or digest, its bytes checked against the digest asked for or announced.

        Raises:
            NotFoundError: There is none.
            WrongKindError: It is an index.
            IntegrityError: The bytes have another digest, or are not an image manifest.
        """

    def read(self, target: str, *, index_first: bool = False) -> AnyManifest:
        """The manifest or index behind a tag or digest, its bytes checked.

        Args:
            target: The tag or digest.
            index_first: Of a kit and an index that have the same tag, as they can in the local store, the index.

        Raises:
            NotFoundError: There is none.
            IntegrityError: The bytes have another digest, or are neither.
        """

    def put_manifest(self, manifest: AnyManifest, tags: Sequence[str] = (), *, kept: bool = False) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it. A manifest with a subject becomes a referrer.

        Args:
            manifest: The manifest.
            tags: The tags.
            kept: Whether :meth:`keep` was called just now, which else is part of it.
        """

    def put_referrers(self, manifests: Sequence[Manifest]) -> None:
        """Store manifests that have a subject, and list them with as few writes as there are subjects."""

    def put_unlisted(self, manifests: Sequence[Manifest]) -> Callable[[], None]:
        """Store manifests that have a subject, so that we find them; what is given back lists them for other tools."""

    def holds(self, manifest: AnyManifest) -> bool:
        """Whether a manifest is here with all it names. A registry that has it is trusted to have its blobs."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there, with the size the descriptor says."""

    def open_blob(self, descriptor: Descriptor, control: Control) -> BlobReader:
        """Read a blob, checked while it is read.

        Raises:
            NotFoundError: It is not there.
        """

    def open_parts(self, descriptor: Descriptor, control: Control) -> Callable[[int, int], bytes | None] | None:
        """What gives a blob's bytes from one place up to another, unchecked; ``None`` where all of it is at hand.

        It gives ``None`` where a registry sends no parts, and fewer bytes only where the blob ends.
        """

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

        Args:
            source: The bytes.
            control: Progress and cancelling; emits ``start``, ``advance`` and ``finish`` events.
            mount_from: Names (``registry/repository``) of other repositories that may hold the blob.
            fresh: Whether the blob is likely not here, so that a small one is better sent than asked for. What is in
                memory counts as fresh.
            learned: Called with its descriptor where that is known before the blob is here, perhaps several times.
        """

    def tags(self) -> Iterator[str]:
        """Every tag, sorted, without the tags that only hold referrers (``sha256-<hex>``), and our own."""

    def keep(self, manifest: AnyManifest, tag: str = "") -> None:
        """Give a manifest that is here a tag of our own (:mod:`kitops_core.oci.own_tags`), so that it stays.

        Does nothing where manifests stay without a tag: in the local store and in layouts.

        Args:
            manifest: The manifest.
            tag: A log tag or a claim; by default the one that says the manifest's digest.
        """

    def keep_present(self, digest: str) -> None:
        """Keep a manifest that is here already, if it is not kept; does nothing where it is gone."""

    def own_tags(self) -> Iterator[str]:
        """The tags of our own, sorted; none where manifests stay without a tag."""

    def seen_tags(self) -> Collection[str] | None:
        """All tags as they were when something had to list them anyway; ``None`` where nothing had to, and locally."""

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Point a tag at a manifest that is already here."""

    def swap_tag(
        self,
        manifest: AnyManifest,
        tag: str,
        expected: str,
        *,
        control: Control | None = None,
        writing: Callable[[], None] = lambda: None,
        written: Callable[[], None] = lambda: None,
        alone: Callable[[], bool] | None = None,
    ) -> None:
        """Point ``tag`` at a manifest that is already here, only if it points at ``expected`` now.

        In the local store and in layouts that is atomic. Registries cannot do it: there the tag is looked at before
        and after, and watched for ``settle`` seconds, so that of two writers at once the one that lost is told. Who can
        tell that there is no other writer need not watch.

        Args:
            manifest: What the tag shall point at.
            tag: The tag.
            expected: The digest it must have now, or an empty string where it must be absent.
            control: Cancelling and retry events, where a storage has to wait. Cancelled while it watches, the tag
                may have moved.
            writing: Called when the tag was looked at and is about to be written; from here on it may have moved.
            written: Called as soon as the tag was written, before it is watched.
            alone: Says whether nobody else is about to write the tag; called beside the look at it, and again after
                ``settle`` seconds where there may be somebody. What it raises ends the swap. Not called where a swap
                is atomic.

        Raises:
            LostRaceError: The tag is elsewhere, before or just after.
            NotFoundError: The manifest is not here.
        """

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest.

        Raises:
            NotFoundError: There is no such tag.
        """

    def delete(self, digest: str) -> None:
        """Remove a manifest and every tag that points at it.

        Raises:
            NotFoundError: There is no such manifest.
        """

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given."""

    def subjects(self) -> Iterator[str]:
        """Digests of the manifests that something is attached to, as far as they can be listed.

        A registry with the referrers API lists none: there a manifest that no tag points at is only found by those who
        know its digest.
        """

    def close(self) -> None:
        """Let go of connections and locks."""

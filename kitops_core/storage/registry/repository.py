"""One repository in a registry, as a storage for kits (OCI distribution spec 1.1).

What asks the first question is imported at once, everything else when it is needed: a command waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kitops_core.errors import ConflictError, DeniedError, IntegrityError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci.media_types import EMPTY_DIGEST
from kitops_core.oci.own_tags import is_listed, is_own_tag, kept_tag
from kitops_core.oci.referrers_tag import subject_of
from kitops_core.reference import check_tag
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.parts import Parts
from kitops_core.storage.registry.ping import ping
from kitops_core.storage.registry.swap import swap
from kitops_core.storage.registry.transport import Transport

if TYPE_CHECKING:
    from kitops_core.oci.blob import BlobReader, BlobSource
    from kitops_core.oci.kit_index import AnyManifest
    from kitops_core.oci.manifest import Descriptor, Manifest
    from kitops_core.storage import Written


class RegistryRepository:
    """A repository in a registry; safe to use from several threads.

    Args:
        registry: Host and port.
        repository: The repository's name.
        options: How to talk to the registry.
        control: Where retries and warnings are reported, and what stops them, for the methods that take no
            control of their own.
        transport: Connections and tokens that are shared with other repositories of the registry, instead of
            ``options``; whoever shares them closes them.
    """

    def __init__(
        self,
        registry: str,
        repository: str,
        options: RegistryOptions | None = None,
        control: Control | None = None,
        *,
        transport: Transport | None = None,
    ) -> None:
        self._shared = transport is not None
        self._transport = transport or Transport(options or RegistryOptions())
        self._control = control or Control()
        self._endpoint = Endpoint(self._transport, registry, repository)
        self._manifests = ManifestApi(self._endpoint, self._control)
        self._parts = Parts(self._endpoint, self._manifests, self._control)

    @property
    def name(self) -> str:
        """``registry/repository``, for messages and records."""
        return self._endpoint.name

    @property
    def place(self) -> tuple[str, str]:
        """The registry and the repository."""
        return f"registry:{self._endpoint.registry}", self._endpoint.name

    @property
    def asks_for(self) -> str:
        """What the registry asked for so far: ``basic``, ``bearer``, or an empty string for nothing."""
        return self._endpoint.transport.auth.asked(self._endpoint.registry)

    @property
    def control(self) -> Control:
        """What ends waiting, for whoever has no control of its own."""
        return self._control

    def resolve(self, target: str) -> Descriptor:
        """The manifest's descriptor behind a tag or digest.

        Raises:
            NotFoundError: There is none.
            DeniedError, RegistryError: The registry refused or failed.
        """
        return self._manifests.head(target)

    def manifest(self, target: str) -> Manifest:
        """The manifest behind a tag or digest, its bytes checked against the digest asked for or announced.

        Raises:
            NotFoundError: There is none.
            WrongKindError: It is an index.
            IntegrityError: The bytes have another digest, or are not an image manifest.
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.oci.manifest import parse_manifest

        manifest = parse_manifest(self._manifests.fetch(target).raw, self._manifests.where(target))
        if manifest.config.digest == EMPTY_DIGEST:
            self._parts.uploader.present.add(EMPTY_DIGEST)
        return manifest

    def read(self, target: str, *, index_first: bool = False) -> AnyManifest:
        """The manifest or index behind a tag or digest, its bytes checked.

        Args:
            target: The tag or digest.
            index_first: Changes nothing here, where a tag names one thing.

        Raises:
            NotFoundError: There is none.
            IntegrityError: The bytes have another digest, or are neither.
            DeniedError, RegistryError: The registry refused or failed.
        """
        found = self._manifests.fetch(target)
        from kitops_core.oci.kit_index import parse_any  # while the answer was on its way, at the earliest

        return parse_any(found.raw, self._manifests.where(target), found.media_type)

    def put_manifest(self, manifest: AnyManifest, tags: Sequence[str] = (), *, kept: bool = False) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it. A manifest with a subject becomes a referrer.

        One without is kept first, see :meth:`keep`, unless it was ``kept`` just now.

        Raises:
            InvalidInputError: A tag does not follow the grammar, or the manifest is too large for a registry.
            IntegrityError: The registry took other bytes for it.
            ConflictError: A tag is there already and cannot be moved.
            UnlistedError: It is stored, but other writers kept replacing the list of referrers.
            DeniedError, RegistryError: The registry refused or failed.
        """
        for tag in tags:
            check_tag(tag)
        if manifest.subject is None and not kept:
            self.keep(manifest)
        for tag in tags:
            self._manifests.put(RawManifest.of(manifest, self.name), tag)
        from kitops_core.oci.manifest import Manifest

        if isinstance(manifest, Manifest) and manifest.subject is not None:
            self._parts.referrers.put([manifest])
        return manifest.descriptor

    def keep(self, manifest: AnyManifest, tag: str = "") -> None:
        """Store a manifest under a tag of our own, so that the registry does not drop it when its last tag moves.

        Args:
            manifest: The manifest.
            tag: A log tag or a claim; by default the one that says the manifest's digest.

        Raises:
            InvalidInputError, IntegrityError, ConflictError, DeniedError, RegistryError: As for :meth:`put_manifest`.
        """
        name = tag or kept_tag(manifest.digest)
        try:
            self._manifests.put(RawManifest.of(manifest, self.name), name)
        except ConflictError:  # it is there, and the registry's tags are immutable
            if self._manifests.look(name, self._control)[0] != manifest.digest:
                raise

    def keep_present(self, digest: str) -> None:
        """Keep a manifest that is here already, if it is not kept; does nothing where it is gone.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        name = kept_tag(digest)
        if self._manifests.look(name, self._control)[0] != digest:
            with suppress(NotFoundError):
                self._manifests.put(self._manifests.fetch(digest), name)

    def put_referrers(self, manifests: Sequence[Manifest]) -> None:
        """Store manifests that have a subject, and list them with as few writes as there are subjects.

        Raises:
            InvalidInputError: A manifest is too large for a registry.
            IntegrityError: The registry took other bytes for one.
            UnlistedError: They are stored, but other writers kept replacing the list of referrers.
            DeniedError, RegistryError: The registry refused or failed.
        """
        self.put_unlisted(manifests)()

    def put_unlisted(self, manifests: Sequence[Manifest]) -> Callable[[], None]:
        """Store manifests that have a subject, so that we find them; what is given back lists them for other tools.

        Raises:
            KitOpsError: As for :meth:`put_referrers`; ``UnlistedError`` only by what is given back.
        """
        for manifest in manifests:
            RawManifest.of(manifest, self.name)
        return self._parts.referrers.put_unlisted(manifests)

    def holds(self, manifest: AnyManifest) -> bool:
        """Whether a manifest is here; the registry is trusted to have its blobs then.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        return self._manifests.look(manifest.digest, self._control)[0] == manifest.digest

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there, with the size the descriptor says."""
        return self._endpoint.has_blob(descriptor, self._control)

    def open_blob(self, descriptor: Descriptor, control: Control) -> BlobReader:
        """Read a blob, checked while it is read; a connection that breaks is taken up again where it broke.

        Raises:
            NotFoundError: It is not there.
            DeniedError, RegistryError: The registry refused or failed; also while reading.
        """
        return self._parts.read(descriptor, control)

    def open_parts(self, descriptor: Descriptor, control: Control) -> Callable[[int, int], bytes | None]:
        """What fetches parts of a blob, unchecked, and raises as :meth:`open_blob` does; ``None`` without ranges."""
        return self._parts.parts_of(descriptor, control)

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
            mount_from: Names (``registry/repository``) of repositories that may hold it; of other registries, in vain.
            fresh: Whether the blob is likely not here: a small one is then sent unasked, as is what is in memory.
            learned: Called with its descriptor once all bytes were sent, before the registry says that it has them.

        Raises:
            IntegrityError: The bytes are not those the source announced, or the registry got others.
            DeniedError, RegistryError: The registry refused or failed.
            CancelledError: The switch was flipped.
        """
        return self._parts.uploader.write(source, control, mount_from, fresh, learned)

    def tags(self) -> Iterator[str]:
        """Every tag, sorted, without the tags that only hold referrers, and our own.

        Raises:
            NotFoundError: There is no such repository.
            IntegrityError: There are too many tags.
            DeniedError, RegistryError: The registry refused or failed.
        """
        return filter(is_listed, self._parts.tags())

    def own_tags(self) -> Iterator[str]:
        """The tags of our own, sorted; see :mod:`kitops_core.oci.own_tags`.

        Raises:
            NotFoundError, IntegrityError, DeniedError, RegistryError: As for :meth:`tags`.
        """
        at = time.monotonic()
        try:
            tags = self._parts.tags()
        except NotFoundError:  # there is no such repository yet, and so no tag
            self._parts.referrers.saw((), at)
            raise
        self._parts.referrers.saw(tags, at)
        return filter(is_own_tag, tags)

    def seen_tags(self) -> Collection[str] | None:
        """All tags as they were when something had to list them anyway; ``None`` where nothing had to."""
        return self._parts.referrers.seen_tags

    def subjects(self) -> Iterator[str]:
        """Digests of the manifests that something is attached to, as referrers' tags tell them; none with the API.

        Raises:
            NotFoundError: There is no such repository.
            IntegrityError: There are too many tags.
            DeniedError, RegistryError: The registry refused or failed.
        """
        digests = dict.fromkeys(map(subject_of, self._parts.tags()))
        return (digest for digest in digests if digest)

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Point a tag at a manifest that is already here.

        Raises:
            NotFoundError: The manifest is not here.
            ConflictError: The tag is there already and cannot be moved.
            DeniedError, RegistryError: The registry refused or failed.
        """
        check_tag(tag)
        self.keep_present(descriptor.digest)
        self._manifests.put(self._manifests.fetch(descriptor.digest), tag)

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

        Registries have no such operation; what is promised instead, :mod:`~kitops_core.storage.registry.swap` says.
        It takes ``settle`` seconds of the options, unless the writer is ``alone``.

        Args:
            manifest: What the tag shall point at.
            tag: The tag.
            expected: The digest it must have now, or an empty string where it must be absent.
            control: Cancelling and retry events, where it is not the repository's own. Cancelled while it watches,
                the tag may have moved.
            writing: Called when the tag was looked at and is about to be written.
            written: Called as soon as the tag was written, before it is watched.
            alone: Says whether nobody else is about to write the tag; see :meth:`kitops_core.storage.Storage.swap_tag`.

        Raises:
            LostRaceError: The tag is elsewhere, before or just after; or writing took longer than ``settle``.
            ConflictError: The tag is where it was expected, and cannot be moved.
            RegistryError: The registry failed; the message says so where the tag may have moved.
            DeniedError: The registry refused.
        """
        swap(
            self._manifests,
            RawManifest.of(manifest, self.name),
            check_tag(tag),
            expected,
            self._transport.options.settle,
            control or self._control,
            writing=writing,
            written=written,
            alone=alone,
        )

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest.

        Raises:
            NotFoundError: There is no such tag.
            ConflictError: The tag is immutable there.
            DeniedError: The registry cannot remove a tag alone, or refused.
            RegistryError: The registry failed.
        """
        if not self._manifests.delete(check_tag(tag)):
            digest = self.resolve(tag).digest
            raise DeniedError(
                f"{self._endpoint.registry} cannot remove the tag '{tag}' and leave its manifest",
                hint=f"delete the manifest with all its tags ({digest}), or use the registry's own interface",
            )

    def delete(self, digest: str) -> None:
        """Remove a manifest and every tag that points at it.

        Raises:
            NotFoundError: There is no such manifest.
            ConflictError: An index refers to it, or a tag of it is immutable there.
            DeniedError: The registry does not delete, or refused.
            RegistryError: The registry failed.
        """
        try:
            manifest = self._manifests.fetch(digest)
        except IntegrityError:  # an altered manifest can be deleted, but cannot say what it was attached to
            manifest = None
        if not self._manifests.delete(digest):
            raise DeniedError(
                f"{self._endpoint.registry} does not delete manifests",
                hint="deleting may have to be enabled there, or go through the registry's own interface",
            )
        if manifest is not None:
            self._parts.referrers.forget(manifest)

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        return self._parts.referrers.of(digest, artifact_type)

    def ping(self) -> None:
        """Ask whether the registry is there and speaks the API.

        Raises:
            RegistryError: It cannot be reached, or is not a registry.
        """
        ping(self._transport, self._endpoint.registry, self._control)

    def close(self) -> None:
        """Let go of the connections, unless they are shared."""
        if not self._shared:
            self._transport.close()

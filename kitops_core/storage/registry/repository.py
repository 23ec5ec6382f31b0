"""One repository in a registry, as a storage for kits (OCI distribution spec 1.1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from kitops_core.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError, RegistryError
from kitops_core.events import Control
from kitops_core.oci.blob import BlobReader, BlobSource
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest
from kitops_core.oci.media_types import EMPTY_DIGEST
from kitops_core.oci.own_tags import is_listed, is_own_tag, kept_tag
from kitops_core.oci.referrers_tag import subject_of
from kitops_core.parallel import run_all
from kitops_core.reference import check_tag
from kitops_core.storage import Written
from kitops_core.storage.registry.downloads import download_blob
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.ping import ping
from kitops_core.storage.registry.referrers_list import Referrers
from kitops_core.storage.registry.swap import swap
from kitops_core.storage.registry.transport import Transport
from kitops_core.storage.registry.uploads import Uploader

_PAGE = "1000"


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
        self._referrers = Referrers(self._endpoint, self._manifests, self._control)
        self._uploader = Uploader(self._endpoint)
        self._kept: set[str] = set()

    @property
    def name(self) -> str:
        """``registry/repository``, for messages and records."""
        return self._endpoint.name

    @property
    def place(self) -> tuple[str, str]:
        """The registry and the repository."""
        return f"registry:{self._endpoint.registry}", self._endpoint.name

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
            IntegrityError: The bytes have another digest, or are not an image manifest.
            DeniedError, RegistryError: The registry refused or failed.
        """
        manifest = parse_manifest(self._manifests.fetch(target).raw, self._manifests.where(target))
        if manifest.config.digest == EMPTY_DIGEST:
            self._uploader.present.add(EMPTY_DIGEST)
        return manifest

    def put_manifest(self, manifest: Manifest, tags: Sequence[str] = ()) -> Descriptor:
        """Store a manifest's exact bytes, then point each tag at it. A manifest with a subject becomes a referrer.

        One without is kept first; see :meth:`keep`.

        Raises:
            InvalidInputError: A tag does not follow the grammar, or the manifest is too large for a registry.
            IntegrityError: The registry took other bytes for it.
            ConflictError: A tag is there already and cannot be moved.
            DeniedError, RegistryError: The registry refused or failed.
        """
        for tag in tags:
            check_tag(tag)
        if manifest.subject is None:
            self.keep(manifest)
            if tags:
                self._put(manifest, tags)
        elif not self._put(manifest, tags):
            self._referrers.add([manifest])
        return manifest.descriptor

    def keep(self, manifest: Manifest, tag: str = "") -> None:
        """Store a manifest under a tag of our own, so that the registry does not drop it when its last tag moves.

        Args:
            manifest: The manifest.
            tag: A log tag; by default the one that says the manifest's digest.

        Raises:
            InvalidInputError, IntegrityError, ConflictError, DeniedError, RegistryError: As for :meth:`put_manifest`.
        """
        name = tag or kept_tag(manifest.digest)
        if name in self._kept:
            return
        try:
            self._put(manifest, [name])
        except ConflictError:  # it is there, and the registry's tags are immutable
            if self._manifests.look(name, self._control)[0] != manifest.digest:
                raise
        self._kept.add(name)

    def keep_present(self, digest: str) -> None:
        """Keep a manifest that is here already, if it is not kept; does nothing where it is gone.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        name = kept_tag(digest)
        if name in self._kept or self._manifests.look(name, self._control)[0] == digest:
            self._kept.add(name)
            return
        with suppress(NotFoundError):
            self._manifests.put(self._manifests.fetch(digest), name)
            self._kept.add(name)

    def put_referrers(self, manifests: Sequence[Manifest]) -> None:
        """Store manifests that have a subject, and list them with as few writes as there are subjects.

        Raises:
            InvalidInputError: A manifest is too large for a registry.
            IntegrityError: The registry took other bytes for one.
            ConflictError: Other writers kept replacing the list of referrers.
            DeniedError, RegistryError: The registry refused or failed.
        """

        def put(manifest: Manifest, control: Control) -> bool:
            control.check()
            return self._put(manifest)

        listed = run_all([partial(put, manifest) for manifest in manifests], self._control)
        self._referrers.add([manifest for manifest, is_listed in zip(manifests, listed, strict=True) if not is_listed])

    def _put(self, manifest: Manifest, tags: Sequence[str] = ()) -> bool:
        """Store a manifest; whether the registry listed it as a referrer."""
        if len(manifest.raw) > MAX_MANIFEST_BYTES:
            raise InvalidInputError(
                f"{self.name}: the manifest has {len(manifest.raw)} bytes, registries take {MAX_MANIFEST_BYTES}",
                hint="put files that belong together into one directory of the Kitfile, so that they share a layer",
            )
        raw = RawManifest(manifest.raw, manifest.digest, manifest.media_type)
        listed = [self._manifests.put(raw, target) for target in tags or (manifest.digest,)]
        return all(listed)

    def holds(self, manifest: Manifest) -> bool:
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
        return BlobReader(download_blob(self._endpoint, descriptor, control), descriptor, self.name)

    def write_blob(
        self, source: BlobSource, control: Control, *, mount_from: Sequence[str] = (), fresh: bool = False
    ) -> Written:
        """Write a blob in one pass and learn its digest; nothing is moved where it is known and already there.

        Args:
            source: The bytes.
            control: Progress and cancelling; emits ``start``, ``advance`` and ``finish`` events.
            mount_from: Names (``registry/repository``) of other repositories that may hold the blob; those in
                other registries are passed over.
            fresh: Whether the blob is likely not here, so that a small one is better sent than asked for. What is in
                memory counts as fresh.

        Raises:
            IntegrityError: The bytes are not those the source announced, or the registry got others.
            DeniedError, RegistryError: The registry refused or failed.
            CancelledError: The switch was flipped.
        """
        return self._uploader.write(source, control, mount_from, fresh)

    def tags(self) -> Iterator[str]:
        """Every tag, sorted, without the tags that only hold referrers, and our own.

        Raises:
            NotFoundError: There is no such repository.
            DeniedError, RegistryError: The registry refused or failed.
        """
        return filter(is_listed, self._all_tags())

    def own_tags(self) -> Iterator[str]:
        """The tags of our own, sorted; see :mod:`kitops_core.oci.own_tags`.

        Raises:
            NotFoundError: There is no such repository.
            DeniedError, RegistryError: The registry refused or failed.
        """
        return filter(is_own_tag, self._all_tags())

    def subjects(self) -> Iterator[str]:
        """Digests of the manifests that something is attached to, as the fallback tags tell them; none with the API.

        Raises:
            NotFoundError: There is no such repository.
            DeniedError, RegistryError: The registry refused or failed.
        """
        return (digest for digest in map(subject_of, self._all_tags()) if digest)

    def _all_tags(self) -> list[str]:
        tags: set[str] = set()
        try:
            url = self._endpoint.url("tags/list", {"n": _PAGE})
            for page in self._endpoint.pages(url, f"list the tags of {self.name}", self._control):
                tags.update(_tags(page.body, self.name))
        except NotFoundError as error:
            raise NotFoundError(f"there is no repository {self.name}", hint="check its name") from error
        return sorted(tags)

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

    def swap_tag(self, manifest: Manifest, tag: str, expected: str, *, control: Control | None = None) -> None:
        """Point ``tag`` at a manifest that is already here, only if it points at ``expected`` now.

        Registries have no such operation; what is promised instead, :mod:`~kitops_core.storage.registry.swap` says.
        It takes ``settle`` seconds of the options.

        Args:
            manifest: What the tag shall point at.
            tag: The tag.
            expected: The digest it must have now, or an empty string where it must be absent.
            control: Cancelling and retry events, where it is not the repository's own. Cancelled while it watches,
                the tag may have moved.

        Raises:
            LostRaceError: The tag is elsewhere, before or just after; or writing took longer than ``settle``.
            ConflictError: The tag is where it was expected, and cannot be moved.
            RegistryError: The registry failed; the message says so where the tag may have moved.
            DeniedError: The registry refused.
        """
        raw = RawManifest(manifest.raw, manifest.digest, manifest.media_type)
        settle = self._transport.options.settle
        swap(self._manifests, raw, check_tag(tag), expected, settle, control or self._control)

    def untag(self, tag: str) -> None:
        """Remove a tag, leaving its manifest.

        Raises:
            NotFoundError: There is no such tag.
            RegistryError: The registry cannot remove a tag alone (``code`` is ``UNSUPPORTED``), or failed.
            DeniedError: The registry refused.
        """
        if not self._manifests.delete(check_tag(tag)):
            digest = self.resolve(tag).digest
            raise RegistryError(
                f"{self._endpoint.registry} cannot remove the tag '{tag}' and leave its manifest",
                code="UNSUPPORTED",
                hint=f"delete the manifest with all its tags ({digest}), or use the registry's own interface",
            )

    def delete(self, digest: str) -> None:
        """Remove a manifest and every tag that points at it.

        Raises:
            NotFoundError: There is no such manifest.
            RegistryError: The registry does not delete (``code`` is ``UNSUPPORTED``), or failed.
            DeniedError: The registry refused.
        """
        try:
            manifest = self._manifests.fetch(digest)
        except IntegrityError:  # an altered manifest can be deleted, but cannot say what it was attached to
            manifest = None
        if not self._manifests.delete(digest):
            raise RegistryError(
                f"{self._endpoint.registry} does not delete manifests",
                code="UNSUPPORTED",
                hint="deleting may have to be enabled there, or go through the registry's own interface",
            )
        if manifest is not None:
            self._referrers.forget(manifest)

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        return self._referrers.of(digest, artifact_type)

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


def _tags(body: bytes, name: str) -> list[str]:
    try:
        tags = json.loads(body).get("tags") or []
    except (ValueError, AttributeError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RegistryError(f"cannot list the tags of {name}: the answer is not the JSON a registry gives")
    return tags

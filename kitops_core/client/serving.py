"""The verbs that bring kits to servers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kitops_core import types
from kitops_core.session import Session


class ServingVerbs:
    """The verbs that bring kits to servers."""

    _session: Session

    def image(
        self,
        reference: str,
        *,
        tag: str = "",
        only: Sequence[str] = (),
        platform: str = "linux/amd64",
        where: types.Where = "any",
    ) -> types.KitImage:
        """Make a container image of a kit: a manifest over the kit's own layers, attached to the kit as a referrer.

        No layer is read or written. The same kit, parts and platform give the same digest. What copies the kit with all
        that is attached to it (``push``, ``promote``, ``copy(referrers=True)``) takes the image along.

        Args:
            reference: The kit. A tag is resolved once.
            tag: A tag for the image, in the kit's repository; not in the local store, whose tags are kits.
            only: Filters as for ``unpack``, ``model`` or ``datasets:name``; none means everything.
            platform: What its config names, ``linux/ARCHITECTURE``. containerd unpacks an image only on nodes of that
                architecture.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit, or nothing in it that a filter takes.
            InvalidInputError: A layer cannot be an image's (a raw one), the kit's model is another kit, or the platform
                or a filter cannot be used.
            InvalidReferenceError: ``tag`` is no tag.
            ConflictError: The tag names something other than an image, or the kit is in the local store.
            IntegrityError: The kit's config and manifest disagree.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.serving.image import image

        return image(self._session, reference, tag=tag, only=only, platform=platform, where=where)

    def materialize(
        self,
        reference: str,
        to: str | os.PathLike[str],
        *,
        only: Sequence[str] = (),
        keep_paths: bool = False,
        keep: int = 1,
        max_ratio: int | None = None,
        verify: types.VerificationPolicy | None = None,
        stale_after: float = 30.0,
        where: types.Where = "any",
    ) -> types.Materialized:
        """Make a directory that a server can load: the model and its parts, flat as :mod:`~.arrange` says.

        ``to`` becomes a symbolic link to a complete release beside it (see :mod:`~.releases`), and is replaced at once.
        Several processes, on several machines, may do this for one directory: one fetches, the others wait. Nothing is
        fetched, and nothing is asked for a reference with a digest, where the directory shows that kit already.

        Args:
            reference: The kit. A tag is resolved once.
            to: The directory; missing, or made by this function.
            only: Filters, ``model`` or ``code:tokenizer.model`` (see :mod:`kitops_core.kits.filters`); none means the
                model with its parts.
            keep_paths: Keep the Kitfile's paths instead of laying the files out for a server.
            keep: How many earlier releases to keep, so that a server that still reads one can go on. The next call that
                changes the directory removes the rest.
            max_ratio: How many times its stored size a compressed layer may unpack to, as for ``unpack``.
            verify: Take only what this policy verifies: the very digest that is fetched, and every kit that
                ``model.path`` names otherwise than by digest. Checked each time, also where nothing is to be fetched.
            stale_after: Seconds after which a process that fetches and shows no sign of life is replaced. All who share
                a volume must use about the same.
            where: Which storage; see :class:`Client`.

        Raises:
            ConflictError: Something is at ``to`` that was not made here, or two files would have one path.
            InvalidInputError: An argument or a filter cannot be used.
            NotFoundError: The kit, or what a filter names, is not there.
            VerificationError: ``verify`` does not hold; nothing was fetched.
            IntegrityError: A blob is not what its digest says, or holds what must not be unpacked.
            DeniedError, RegistryError, StoreError: A storage or the file system refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.serving.materialize import materialize

        return materialize(
            self._session,
            reference,
            to,
            only=only,
            keep_paths=keep_paths,
            keep=keep,
            max_ratio=max_ratio,
            verify=verify,
            stale_after=stale_after,
            where=where,
        )

    def initialize_storage(
        self,
        reference: str,
        directory: str | os.PathLike[str],
        *,
        selection: types.Selection | None = None,
        existing: types.Existing = "refuse",
        max_ratio: int | None = None,
        verify: types.VerificationPolicy | None = None,
        stale_after: float = 30.0,
    ) -> types.Initialized:
        """Put a kit from a registry into a directory that cannot be replaced: all of its files, or none.

        A kit that an earlier call put there is replaced; that very kit is left as it is. Nothing is written but the
        directory.

        Args:
            reference: The kit; a tag is resolved once.
            directory: The directory; made if it does not exist.
            selection: What of the kit, and how it is laid out; the model and its parts, flat, where it is not given.
            existing: What becomes of files that are in the way, as for ``unpack``.
            max_ratio: How many times its stored size a compressed layer may unpack to, as for ``unpack``.
            verify: Take only what this policy verifies, as for ``unpack``.
            stale_after: Seconds after which a process that is at work there and shows no sign of life is replaced.

        Raises:
            ConflictError: Files are in the way, or the directory is a file; nothing was touched.
            InvalidInputError, NotFoundError, VerificationError, IntegrityError: As ``unpack``.
            DeniedError, RegistryError, StoreError, CancelledError: As ``unpack``.
        """
        from kitops_core.serving.storage_initializer import initialize_storage

        return initialize_storage(
            self._session,
            reference,
            directory,
            selection=selection,
            existing=existing,
            max_ratio=max_ratio,
            verify=verify,
            stale_after=stale_after,
        )

    def manifests(
        self,
        kind: str,
        reference: str,
        *,
        options: types.ManifestOptions | None = None,
        kserve: str = "kit",
        promoting: types.Promoting | None = None,
    ) -> list[dict[str, Any]]:
        """Kubernetes manifests for a kit, each an object as the API server takes it.

        Args:
            kind: One of :data:`~kitops_core.serving.manifests.kinds.KINDS`.
            reference: The kit, in a registry. Its tag is resolved now, and the digest is what the manifests name. For
                ``pack-job`` the tag that will be packed to; for ``promote-cronjob`` the repository. Where an image is
                needed, the kit's own (``kitops image``), or the image itself.
            options: Names in the cluster, and images.
            kserve: How KServe gets the kit: ``kit``, ``native`` or ``fetch``.
            promoting: What ``promote-cronjob`` does.

        Raises:
            InvalidInputError: A kind, name or mode is none; the policy cannot be used or read.
            InvalidReferenceError: The reference names no registry.
            NotFoundError: There is no such kit, or it has no image.
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.serving.manifests.fill import manifests

        return manifests(self._session, kind, reference, options=options, kserve=kserve, promoting=promoting)

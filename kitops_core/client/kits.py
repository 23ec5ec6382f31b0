"""The verbs that move, read, name and remove kits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from kitops_core import types
from kitops_core.session import Session


class KitVerbs:
    """The verbs that move, read, name and remove kits."""

    _session: Session

    def push(self, reference: str, to: str = "", *, referrers: bool = True) -> types.ModelKitRecord:
        """Send a kit from the local store to its registry, or to ``to``, with all that is attached to it.

        Args:
            reference: The kit.
            to: Where to, if not to the registry its name has; without a tag it takes the kit's.
            referrers: Also send signatures, attestations and other referrers, recursively.

        Raises:
            NotFoundError: The kit is not in the local store.
            DeniedError, RegistryError: The registry refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.copy import push

        return push(self._session, reference, to, referrers=referrers)

    def pull(self, reference: str, *, referrers: bool = False) -> types.ModelKitRecord:
        """Fetch a kit from its registry into the local store, every blob checked, and the kits that its Kitfile names.

        Args:
            reference: The kit.
            referrers: Also fetch signatures, attestations and other referrers, recursively.

        Raises:
            NotFoundError: The registry does not have it, or a kit that it is made from is nowhere.
            IntegrityError: A blob is not what its digest says; it does not enter the store.
            DeniedError, RegistryError, StoreError: The registry or the store refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.pull import pull

        return pull(self._session, reference, referrers=referrers)

    def copy(
        self,
        source: str,
        target: str,
        *,
        where: types.Where = "any",
        into: Literal["store", "registry"] = "registry",
        referrers: bool = False,
    ) -> types.ModelKitRecord:
        """Copy a kit, and with ``referrers`` all that is attached to it, under the tag ``target`` names.

        A source named by tag is resolved once; from then on only its digest is used.

        Args:
            source: The kit to copy.
            target: Where to; without a tag it takes the source's. A digest alone copies without a tag.
            where: Where the source is.
            into: Whether ``target`` means its registry or the local store.
            referrers: Also copy signatures, attestations and other referrers, recursively.

        Raises:
            InvalidReferenceError: A reference cannot serve here.
            NotFoundError: The source is not there.
            IntegrityError: A blob is not what its digest says.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.copy import copy

        return copy(self._session, source, target, where=where, into=into, referrers=referrers)

    def open(self, reference: str, *, where: types.Where = "any") -> types.ModelKit:
        """Open a kit and pin it to the digest its tag has now.

        Args:
            reference: The kit.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            IntegrityError: Its manifest or config is not what its digest says, or they disagree.
        """
        from kitops_core.kits.modelkit import open_kit

        return open_kit(self._session, reference, where=where)

    def unpack(
        self,
        reference: str,
        to: str | os.PathLike[str],
        *,
        only: Sequence[str] = (),
        existing: types.Existing = "refuse",
        max_ratio: int | None = None,
        verify: types.VerificationPolicy | None = None,
        verify_files: Sequence[types.PublicKey] = (),
        include_remote: bool = False,
        where: types.Where = "any",
    ) -> types.Unpacked:
        """Unpack a kit, or the parts of it that ``only`` names, into a directory.

        Where ``model.path`` names another kit, that kit's model is unpacked too, and so on along the chain. Of two
        entries with one path, that of the nearer kit is taken.

        Args:
            reference: The kit. A tag is resolved once.
            to: Where to; made if it does not exist.
            only: Filters, ``model`` or ``datasets:name`` (see :mod:`kitops_core.kits.filters`); none means everything.
            existing: What becomes of files that are in the way: ``refuse`` unpacks nothing, ``overwrite`` replaces
                them, ``ignore`` keeps them.
            max_ratio: How many times its stored size a compressed layer may unpack to; more is taken for a bomb.
                ``None`` means 1,100, and for zstd at least 1 GiB.
            verify: Unpack only what this policy verifies: the very digest, and every kit that ``model.path`` names
                otherwise than by digest.
            verify_files: Unpack only files that one of these keys signed with OpenSSF model signing, all of them. Needs
                the ``oms`` extra.
            include_remote: Fetch the datasets that the kit names and does not hold, too: objects of S3, checked against
                the ETags that they had (needs the ``objects`` extra), and the datasets of other kits.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: The kit, or what a filter names, is not there.
            ConflictError: Files are in the way; none was touched.
            SourceChangedError: A remote dataset is not what it was when the kit was packed.
            VerificationError: ``verify`` or ``verify_files`` does not hold; nothing was unpacked.
            IntegrityError: A blob is not what its digest says, or holds what must not be unpacked.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.unpack import unpack

        return unpack(
            self._session,
            reference,
            to,
            only=only,
            existing=existing,
            max_ratio=max_ratio,
            verify=verify,
            verify_files=verify_files,
            include_remote=include_remote,
            where=where,
        )

    def resolve(self, reference: str, *, where: types.Where = "any") -> str:
        """The digest that a reference names now.

        Args:
            reference: The kit.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        return self._session.resolve(reference, where)

    def diff(self, before: str, after: str, *, where: types.Where = "any", files: bool = False) -> types.KitDiff:
        """Compare two kits; unless ``files`` says so, without reading their layers.

        As in the reference CLI, ``local://`` or ``remote://`` before a reference says where to look for that kit.

        Args:
            before: The first kit.
            after: The second kit.
            where: Which storage; see :class:`Client`.
            files: Read the layers that both have with other bytes, and say which files differ; of safetensors, GGUF
                and zip-based formats which tensors or members, and what they say besides. Of uncompressed layers over
                64 MiB in a registry, the headers of these alone are read, unchecked, where the registry sends parts.

        Raises:
            NotFoundError: One of them is not there.
            IntegrityError: A layer that was read whole is not what its digest says.
        """
        from kitops_core.kits.diff import diff

        return diff(self._session, before, after, where=where, files=files)

    def list_kits(
        self, repository: str = "", *, untagged: bool = False, indexes: bool = False
    ) -> list[types.ModelKitRecord]:
        """Every tagged kit of the local store, or of one repository in a registry or layout.

        Manifests that are not kits, or cannot be read, are passed over; a warning names their tags.

        Args:
            repository: The repository; the local store where it is empty.
            untagged: Of the local store, also the kits without a tag, such as those whose tag moved on.
            indexes: Also the indexes, whose records have ``variants``.

        Raises:
            NotFoundError: The registry has no such repository.
        """
        from kitops_core.kits.list_kits import list_kits

        return list_kits(self._session, repository, untagged=untagged, indexes=indexes)

    def tag(self, reference: str, names: Sequence[str], *, where: types.Where = "store") -> types.ModelKitRecord:
        """Give a kit further names: tags of its repository, or whole references.

        A tag that has the kit already is left alone, and what another one had is kept.

        Args:
            reference: The kit.
            names: A tag (``prod``) or a reference (``registry/other:1.0``), each.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidReferenceError: A name is neither a tag nor a reference with a tag.
        """
        from kitops_core.kits.tag import tag

        return tag(self._session, reference, names, where=where)

    def remove(self, reference: str, *, force: bool = False, where: Literal["store", "registry"] = "store") -> str:
        """Remove a kit by digest with all its tags, or by tag that tag only.

        In the local store, as in the reference CLI, a kit goes with its last tag. Blobs stay until
        :meth:`gc` finds them unused.

        Args:
            reference: The kit.
            force: Remove the kit and all its tags though it is named by a tag.
            where: Which storage; see :class:`Client`.

        Returns:
            The digest the reference had.

        Raises:
            NotFoundError: There is no such kit.
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.kits.remove import remove

        return remove(self._session, reference, force=force, where=where)

    def remove_all(self, *, tagged: bool = False) -> list[str]:
        """Remove the kits of the local store that have no tag, and with ``tagged`` all the others too.

        What is attached to a kit that stays, stays; what was attached to others goes with the next ``gc``.

        Returns:
            What was removed, as ``registry/repository@digest``.

        Raises:
            StoreError: The store cannot be read or written.
        """
        from kitops_core.kits.remove import remove_all

        return remove_all(self._session, tagged=tagged)

    def gc(
        self, *, grace_seconds: float = 24 * 3600.0, dry_run: bool = False, unpushed_seconds: float | None = None
    ) -> types.GcReport:
        """Free the space of blobs in the local store that no kit needs, and of what killed processes left.

        What they left is what they had unfinished in the store, and staged among the temporary files.

        Args:
            grace_seconds: Spare what is younger.
            dry_run: Only say what would be removed.
            unpushed_seconds: Also remove the kits that a pipeline kept because it could not push them (Dagster's IO
                manager does), and that are older; by default they stay.

        Raises:
            StoreError: The store cannot be read or written.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.collect import gc

        return gc(self._session, grace_seconds=grace_seconds, dry_run=dry_run, unpushed_seconds=unpushed_seconds)

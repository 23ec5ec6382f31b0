"""The verbs of indexes: one reference over the variants of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kitops_core import types
from kitops_core.session import Session


class IndexVerbs:
    """The verbs of indexes. Whoever reads, moves or promotes kits names an index as they name a kit."""

    _session: Session

    def index_kits(
        self, reference: str, variants: Sequence[types.Variant] = (), *, push: bool = False
    ) -> types.ModelKitRecord:
        """Make an index of kits, or make it anew: the same kits and labels give the same bytes, in whatever order.

        A signer signs the index, and so its kits, which it names by their digests.

        Args:
            reference: The index, named by a tag.
            variants: Its kits, of the index's repository, each with its labels; none for an empty index. One that is
                pinned to a digest keeps the tag that stands before it.
            push: Make it in the registry, where its kits must be, rather than in the local store.

        Raises:
            NotFoundError: A kit is not there.
            InvalidInputError: A kit is of another repository or is given twice, or a label cannot be written.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.indexes.verbs import index_kits

        return index_kits(self._session, reference, variants, push=push)

    def index_add(
        self,
        reference: str,
        kit: str,
        *,
        labels: Mapping[str, Any] | Sequence[str] = (),
        annotations: Mapping[str, Any] | Sequence[str] = (),
        where: Literal["store", "registry"] = "store",
    ) -> types.ModelKitRecord:
        """Add a kit to an index of the local store, or change what is said of one that it has.

        Args:
            reference: The index.
            kit: The kit, of the same repository.
            labels: Labels to set, any JSON values; ``None`` takes one away. Others that it has stay. Or a list of
                ``key=value``, ``key:=JSON`` and ``key-``, whose JSON is kept as it is written.
            annotations: The same for annotations, which are text.
            where: Whether the kit is taken as the local store has it, or its registry.

        Raises:
            NotFoundError: There is no such index or kit.
            InvalidInputError: The kit is of another repository, or a label cannot be written.
        """
        from kitops_core.indexes.edit import edits_of
        from kitops_core.indexes.verbs import index_add

        return index_add(self._session, reference, kit, edits_of(labels, annotations), where=where)

    def index_remove(self, reference: str, kit: str) -> types.ModelKitRecord:
        """Take a kit out of an index of the local store; the kit itself stays.

        Args:
            reference: The index.
            kit: The kit, by a tag or its digest.

        Raises:
            NotFoundError: There is no such index, or it does not have that kit.
        """
        from kitops_core.indexes.verbs import index_remove

        return index_remove(self._session, reference, kit)

    def index_delete(self, reference: str, *, force: bool = False) -> str:
        """Delete an index of the local store, or one of its tags while it has others; its kits stay.

        Args:
            reference: The index, by a tag or its digest.
            force: Delete it with all its tags.

        Returns:
            The digest it had.

        Raises:
            NotFoundError: There is no such index.
        """
        from kitops_core.indexes.verbs import index_delete

        return index_delete(self._session, reference, force=force)

    def index_delete_all(self, *, tagged: bool = False) -> list[str]:
        """Delete the indexes of the local store that have no tag, and with ``tagged`` all the others too.

        Returns:
            What was deleted, as ``registry/repository@digest``.

        Raises:
            StoreError: The store cannot be read or written.
        """
        from kitops_core.indexes.verbs import index_delete_all

        return index_delete_all(self._session, tagged=tagged)

    def index(self, reference: str, *, where: types.Where = "any") -> types.ModelKitRecord:
        """Read an index: ``variants`` of the record says what it has.

        Args:
            reference: The index.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such index.
            WrongKindError: It is a kit.
        """
        from kitops_core.indexes.verbs import index

        return index(self._session, reference, where=where)

    def index_bytes(self, reference: str, *, where: types.Where = "any") -> bytes:
        """The bytes of an index as they are stored, of which its digest is.

        Args:
            reference: The index.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError, WrongKindError: As for :meth:`index`.
        """
        from kitops_core.indexes.verbs import read_index

        return read_index(self._session, reference, where=where)[0].raw

    def index_push(self, reference: str, to: str = "") -> types.ModelKitRecord:
        """Send an index alone, whose kits the registry has; :meth:`push` sends an index with its kits.

        Args:
            reference: The index, in the local store.
            to: Where to, if not to the registry its name has.

        Raises:
            NotFoundError: There is no such index, or a kit of it is not in the registry.
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.indexes.verbs import index_push

        return index_push(self._session, reference, to)

    def index_pull(self, reference: str) -> types.ModelKitRecord:
        """Fetch an index alone into the local store, its bytes as they are.

        Args:
            reference: The index.

        Raises:
            NotFoundError: The registry does not have it.
            WrongKindError: It is a kit.
        """
        from kitops_core.indexes.verbs import index_pull

        return index_pull(self._session, reference)

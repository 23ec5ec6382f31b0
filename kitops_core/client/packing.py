"""The verbs that make kits: of files, of layers, of what is elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kitops_core import types
from kitops_core.session import Session


class PackingVerbs:
    """The verbs that make kits: of files, of layers, of what is elsewhere."""

    _session: Session

    def pack(
        self,
        source: types.Location | types.Contents,
        reference: str,
        *,
        push: bool = False,
        tags: Sequence[str] = (),
        kitfile: str | os.PathLike[str] | types.Kitfile | None = None,
        how: types.Packing | None = None,
        provenance: types.Provenance | None = None,
        parents: Sequence[str] = (),
    ) -> types.ModelKitRecord:
        """Pack a ModelKit into the local store, or with ``push`` straight into its registry.

        The same files give the same digest. A layer whose files did not change since they were last packed is not
        read again, and nothing is sent that is already there. A signer signs the kit, and what is said about it.

        Args:
            source: A directory with a Kitfile, a directory without one (a Kitfile is generated as ``kitops init``
                does), or contents by name. The directory may be in an object store: its URL (``s3://bucket/model``),
                or a path that brings its file system along (``ObjectStoragePath``, ``UPath``). What is there is read
                while it is packed, in one pass, and not again while its ETag or generation stays.
            reference: Where to: ``registry/repository:tag``, a local ``name:tag``, or ``oci:PATH:tag``.
            push: Send it to the registry in the same pass; nothing is kept in the local store.
            tags: Further tags.
            kitfile: A Kitfile to use instead of the directory's: a path, or the Kitfile itself.
            how: Compression, layer format and what else decides the digest.
            provenance: How it was made, attached to the kit before a tag points to it. The kit's digest is the same
                without. An unchanged kit gets no second statement that says the same but for run ids and times.
            parents: References, pinned by digest, of kits this one was made from, for the record. Those that the
                provenance or the Kitfile's ``model.path`` name are added.

        Raises:
            InvalidReferenceError: The reference cannot be packed to.
            KitfileError: The Kitfile has problems; all are named.
            InvalidInputError: The provenance or the key cannot be used.
            NotFoundError: A parent kit that the provenance names by a tag is not there.
            SourceError: Files are missing, unreadable, or changed while they were read.
            DeniedError, RegistryError, StoreError: The storage refused or failed; or an object store refused.
            CancelledError: The switch was flipped.
        """
        from kitops_core.kits.pack import pack

        return pack(
            self._session,
            source,
            reference,
            push=push,
            tags=tags,
            kitfile=kitfile,
            how=how,
            provenance=provenance,
            parents=parents,
        )

    def plan(
        self,
        source: types.Location | types.Contents,
        *,
        kitfile: str | os.PathLike[str] | types.Kitfile | None = None,
        how: types.Packing | None = None,
    ) -> types.PackPlan:
        """What :meth:`pack` would make of files, and what it would leave out. Nothing is sent, and nothing is stored.

        What would keep them from being packed is an error here too.

        Args:
            source: As for ``pack``.
            kitfile: As for ``pack``.
            how: As for ``pack``.

        Raises:
            KitfileError, InvalidInputError, SourceError, CancelledError: As for ``pack``.
        """
        from kitops_core.kits.plan import plan

        return plan(self._session, source, kitfile=kitfile, how=how)

    def pack_layers(
        self,
        source: types.Location,
        reference: str,
        entries: Sequence[str],
        *,
        kitfile: str | os.PathLike[str] | types.Kitfile | None = None,
        push: bool = False,
        how: types.Packing | None = None,
    ) -> tuple[types.LayerRecord, ...]:
        """Pack some entries of a kit as blobs, without a manifest; :meth:`assemble` makes the kit of all of them.

        Every worker needs the Kitfile of the whole kit, and the ``.kitignore`` if there is one. A registry may collect
        blobs that no manifest names: assemble soon.

        Args:
            source: A directory with the files of these entries, on disk or in an object store; those of other entries
                need not be there.
            reference: What the kit will be called. No tag moves, but a layer with the size that it has in the kit there
                now is not sent again if its bytes are the same, even from a worker that never packed it.
            entries: The entries to pack, by their paths in the Kitfile.
            kitfile: The Kitfile of the whole kit, where it is not in the directory.
            push: Send the blobs to the registry rather than into the local store.
            how: As for ``pack``; the same in every part.

        Returns:
            The layers, in the Kitfile's order; ``to_dict`` of each is JSON that ``assemble`` takes.

        Raises:
            InvalidInputError: There is no Kitfile, or no such entry in it.
            InvalidReferenceError, KitfileError, SourceError, DeniedError, RegistryError, StoreError, CancelledError: As
                for ``pack``.
        """
        from kitops_core.kits.assemble import pack_layers

        return pack_layers(self._session, source, reference, entries, kitfile=kitfile, push=push, how=how)

    def assemble(
        self,
        reference: str,
        layers: Iterable[types.LayerRecord | Mapping[str, Any]],
        *,
        kitfile: str | os.PathLike[str] | types.Kitfile,
        push: bool = False,
        tags: Sequence[str] = (),
        how: types.Packing | None = None,
        provenance: types.Provenance | None = None,
        parents: Sequence[str] = (),
    ) -> types.ModelKitRecord:
        """Make a kit of layers that :meth:`pack_layers` packed into the same repository.

        Args:
            reference: Where to, with the tag.
            layers: The layers, in any order: records, or their JSON. One that a retry packed again, to the same bytes,
                may be there twice.
            kitfile: The Kitfile of the whole kit.
            push: The layers are in the registry, and so will be the kit.
            tags: Further tags.
            how: As for ``pack``; the layers' compression and format are as they were packed.
            provenance: As for ``pack``.
            parents: As for ``pack``.

        Raises:
            InvalidInputError: Layers are missing, there twice with different bytes, of no entry of the Kitfile, or not
                what their entry is packed as. All are named.
            NotFoundError: Blobs of layers are not in the repository; all are named. Or a parent kit is not there.
            InvalidReferenceError, KitfileError: As for ``pack``.
            DeniedError, RegistryError, StoreError, CancelledError: As for ``pack``.
        """
        from kitops_core.kits.assemble import assemble

        return assemble(
            self._session,
            reference,
            layers,
            kitfile=kitfile,
            push=push,
            tags=tags,
            how=how,
            provenance=provenance,
            parents=parents,
        )

    def import_kit(
        self,
        source: str,
        reference: str = "",
        *,
        push: bool = False,
        tags: Sequence[str] = (),
        ref: str = "",
        token: str | None = None,
        kitfile: str | os.PathLike[str] | types.Kitfile | None = None,
        user: str = "",
        variants: bool = False,
    ) -> types.ModelKitRecord:
        """Import a repository of the Hugging Face Hub, or a run or model of MLflow, as a ModelKit.

        From the Hub, each file goes straight to where the kit is kept, two at a time, and never to a disk in between.
        The revision is resolved once, and only its commit is used. Every file is a raw layer; of large ones the Hub
        tells the SHA-256, so that what is there already is not downloaded, and an import that was interrupted goes on
        where it was. The same commit gives the same digest. Nothing is tagged unless every byte is what the Hub
        announced.

        Where it came from is attached as SLSA provenance, as with ``pack``.

        Args:
            source: ``organisation/model``, ``datasets/organisation/name`` or the URL of either, on the hub that
                ``HF_ENDPOINT`` names; or ``mlflow://runs/<id>``, ``mlflow://models/<name>/<version or @alias>`` (see
                :mod:`kitops_core.importing.mlflow_name`), on the server that ``MLFLOW_TRACKING_URI`` names.
            reference: Where to: ``registry/repository:tag``, a local ``name:tag``, or ``oci:PATH:tag``; empty for the
                local store, under a name made from the source's.
            push: Send it to the registry in the same pass; nothing is kept in the local store.
            tags: Further tags.
            ref: A branch, tag or commit of the Hub's repository; its default branch where it is empty.
            token: A token for the Hub; ``None`` uses ``HF_TOKEN``, or what ``hf auth login`` saved.
            kitfile: A Kitfile to use instead of one made from the listing and the card. Its paths are files and
                directories of the source.
            user: Who imports it, for the provenance.
            variants: Make a kit for each quantisation that the names of GGUF files tell, or where they tell fewer than
                two and no revision is given, those of branches and tags; tagged by it, and under ``reference`` the
                index of them, labelled with ``format``, ``quantization``, and of revisions ``bits`` and ``group_size``.
                Answers the index.

        Raises:
            InvalidInputError: The source or the key cannot be used, or the client's extra is not installed.
            InvalidReferenceError: The reference cannot be packed to.
            KitfileError: The Kitfile has problems; all are named.
            SourceError: There is nothing to import, or the Kitfile names what is not there.
            NotFoundError: There is no such repository, revision, run or model.
            DeniedError: It may not be read, or the registry refused.
            IntegrityError: The bytes are not those that the Hub announced.
            RegistryError, StoreError: The Hub, the registry or the store failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.importing.import_kit import import_kit

        return import_kit(
            self._session,
            source,
            reference,
            push=push,
            tags=tags,
            ref=ref,
            token=token,
            kitfile=kitfile,
            user=user,
            variants=variants,
        )

    def describe_import(self, source: str, *, ref: str = "", token: str | None = None) -> types.Kitfile:
        """The Kitfile that :meth:`import_kit` would make, to be edited and given to it. Nothing is imported.

        Args:
            source: What would be imported.
            ref: A branch, tag or commit of the Hub's repository.
            token: A token for the Hub.

        Raises:
            KitOpsError: As for :meth:`import_kit`.
        """
        from kitops_core.importing.import_kit import describe_import

        return describe_import(self._session, source, ref=ref, token=token)

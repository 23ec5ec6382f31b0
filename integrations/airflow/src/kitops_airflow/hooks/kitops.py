"""The hook: an Airflow connection, and the engine's verbs with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from kitops_airflow.connection import RegistryConnection, read_connection, secrets
from kitops_airflow.connection_form import FIELD_BEHAVIOUR, form_widgets
from kitops_airflow.masking import mask
from kitops_core.reference import parse_reference

if TYPE_CHECKING:
    import os

    import kitops_core as kitops
    from kitops_core.events import Cancel, Event
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import Kitfile
    from kitops_core.kits.unpack import Unpacked
    from kitops_core.record import LayerRecord, ModelKitRecord, Source
    from kitops_core.reference import Reference
    from kitops_core.sources.contents import Contents
    from kitops_core.storage.registry import RegistryOptions


class KitOpsHook(BaseHook):
    """Talks to a registry as a ``kitops`` connection says.

    Nothing is looked up before it is needed. Where there is no connection ``kitops_default``, the credentials of
    ``docker login`` and ``kitops login`` are used, and every reference names its registry.

    Args:
        kitops_conn_id: The connection.
        store: The local store's directory, where it is not the default.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.
    """

    conn_name_attr = "kitops_conn_id"
    default_conn_name = "kitops_default"
    conn_type = "kitops"
    hook_name = "KitOps (OCI registry)"

    def __init__(
        self,
        kitops_conn_id: str = default_conn_name,
        *,
        store: Path | None = None,
        on_event: Callable[[Event], None] | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        super().__init__()
        self.kitops_conn_id = kitops_conn_id
        self._store = store
        self.on_event = on_event
        self.cancel = cancel

    @cached_property
    def registry(self) -> RegistryConnection:
        """What the connection says.

        Raises:
            AirflowNotFoundException: There is no such connection.
            InvalidInputError: A field of it cannot be used.
        """
        try:
            connection = self.get_connection(self.kitops_conn_id)
        except AirflowNotFoundException:
            return self._without_connection()
        return self._read(connection)

    async def aload(self) -> RegistryConnection:
        """As :attr:`registry`, for code that runs in an event loop."""
        if "registry" not in self.__dict__:
            try:
                connection = await self._aget()
            except AirflowNotFoundException:
                self.__dict__["registry"] = self._without_connection()
            else:
                self.__dict__["registry"] = self._read(connection)
        return self.registry

    def reference(self, text: str) -> Reference:
        """A reference, completed with the connection's registry where it names none."""
        return self.registry.complete(text)

    def options(self, *references: str, retries: int | None = None) -> RegistryOptions:
        """How to talk to the registries of some references.

        Raises:
            InvalidInputError: The connection's credentials are for none of these registries.
        """
        options = self.registry.options_for(*(self.reference(reference) for reference in references))
        return options if retries is None else replace(options, retries=retries)

    def pack(
        self,
        source: str | os.PathLike[str] | Contents,
        reference: str,
        *,
        push: bool = True,
        tags: Sequence[str] = (),
        kitfile: str | None = None,
        compression: Any = "none",
        made_by: Source | None = None,
        parents: Sequence[str] = (),
        provenance: Provenance | None = None,
        key: str = "",
    ) -> ModelKitRecord:
        """Pack straight into the registry, or with ``push=False`` into this worker's local store.

        Args:
            source: A directory, or contents by name.
            reference: Where to.
            push: Whether to the registry.
            tags: Further tags.
            kitfile: A Kitfile to use instead of the directory's.
            compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd``.
            made_by: The run it comes from.
            parents: Kits it is made from.
            provenance: How it was made, attached to the kit.
            key: Where the private key is that signs the kit and what is said about it.

        Raises:
            KitOpsError: As :func:`kitops_core.pack`.
        """
        import kitops_core as kitops

        record = kitops.pack(
            source,
            str(self.reference(reference)) if push else reference,
            push=push,
            tags=tags,
            kitfile=kitfile,
            compression=compression,
            made_by=made_by,
            parents=parents,
            provenance=provenance,
            key=key or None,
            store=self._store,
            registry=self.options(reference) if push else None,
            on_event=self.on_event,
            cancel=self.cancel,
        )
        self._made(record, key, push)
        return record

    def pack_layers(
        self,
        source: str,
        reference: str,
        entries: Sequence[str],
        *,
        kitfile: str | Kitfile | None = None,
        compression: Any = "none",
    ) -> tuple[LayerRecord, ...]:
        """Pack some entries of a kit into its repository; :meth:`assemble` makes the kit.

        Raises:
            KitOpsError: As :func:`kitops_core.pack_layers`.
        """
        import kitops_core as kitops

        return kitops.pack_layers(
            source,
            str(self.reference(reference)),
            entries,
            kitfile=kitfile,
            push=True,
            compression=compression,
            store=self._store,
            registry=self.options(reference),
            on_event=self.on_event,
            cancel=self.cancel,
        )

    def assemble(
        self,
        reference: str,
        layers: Sequence[Mapping[str, Any]],
        *,
        kitfile: str | Kitfile,
        tags: Sequence[str] = (),
        made_by: Source | None = None,
        parents: Sequence[str] = (),
        provenance: Provenance | None = None,
        key: str = "",
    ) -> ModelKitRecord:
        """Make a kit of layers that :meth:`pack_layers` packed.

        Raises:
            KitOpsError: As :func:`kitops_core.assemble`.
        """
        import kitops_core as kitops

        record = kitops.assemble(
            str(self.reference(reference)),
            layers,
            kitfile=kitfile,
            push=True,
            tags=tags,
            made_by=made_by,
            parents=parents,
            provenance=provenance,
            key=key or None,
            store=self._store,
            registry=self.options(reference),
            on_event=self.on_event,
            cancel=self.cancel,
        )
        self._made(record, key, push=True)
        return record

    def import_kit(
        self,
        source: str,
        reference: str,
        *,
        tags: Sequence[str] = (),
        ref: str = "",
        token: str | None = None,
        kitfile: str | None = None,
        made_by: Source | None = None,
        key: str = "",
    ) -> ModelKitRecord:
        """Import a repository of the Hugging Face Hub, or a run or model of MLflow, straight into the registry.

        Args:
            source: What to import; see :func:`kitops_core.import_kit`.
            reference: Where to.
            tags: Further tags.
            ref: A branch, tag or commit of the Hub's repository.
            token: A token for the Hub, where it is not the worker's ``HF_TOKEN``.
            kitfile: A Kitfile to use instead of one made from the repository.
            made_by: The run that imports it.
            key: Where the private key is that signs the kit and what is said about it.

        Raises:
            KitOpsError: As :func:`kitops_core.import_kit`.
        """
        import kitops_core as kitops

        record = kitops.import_kit(
            source,
            str(self.reference(reference)),
            push=True,
            tags=tags,
            ref=ref,
            token=token,
            kitfile=kitfile,
            made_by=made_by,
            key=key or None,
            store=self._store,
            registry=self.options(reference),
            on_event=self.on_event,
            cancel=self.cancel,
        )
        self._made(record, key, push=True)
        return record

    def open(self, reference: str) -> kitops.ModelKit:
        """Open a kit in the registry, pinned to its digest.

        Raises:
            KitOpsError: As :func:`kitops_core.open`.
        """
        import kitops_core as kitops

        kit = kitops.open(
            str(self.reference(reference)),
            remote=True,
            store=self._store,
            registry=self.options(reference),
            on_event=self.on_event,
            cancel=self.cancel,
        )
        self._lineage("add_input_asset", kit.reference)
        return kit

    def unpack(
        self, reference: str, directory: str | os.PathLike[str], *, only: Sequence[str] = (), overwrite: bool = False
    ) -> Unpacked:
        """Unpack a kit of the registry; nothing appears in the directory before all of it was verified.

        Raises:
            KitOpsError: As :func:`kitops_core.unpack`.
        """
        with self.open(reference) as kit:
            return kit.unpack(directory, only=only, overwrite=overwrite)

    def resolve(self, reference: str, *, retries: int | None = None) -> str:
        """The digest that a tag has now, or an empty string where there is no such tag; one request.

        Raises:
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.kits.find import digest_of, open_storage

        target = self.reference(reference)
        storage = open_storage(target, remote=True, registry=self.options(reference, retries=retries))
        try:
            return digest_of(storage, target.target)
        finally:
            storage.close()

    def inspect(self, reference: str) -> ModelKitRecord:
        """The record of a kit in the registry.

        Raises:
            KitOpsError: As :func:`kitops_core.open`.
        """
        with self.open(reference) as kit:
            return kit.record()

    def test_connection(self) -> tuple[bool, str]:
        """Ask the registry for ``/v2/`` with the connection's credentials; Airflow shows the answer."""
        from kitops_core.errors import KitOpsError
        from kitops_core.events import Control
        from kitops_core.storage.registry.client import RegistryClient

        try:
            registry = self.registry
            if not registry.registry:
                return False, "the connection names no registry: set its host"
            client = RegistryClient.open(replace(registry.options, retries=0))
            try:
                client.ping(registry.registry, Control(), authenticated=True)
            finally:
                client.release()
        except KitOpsError as error:
            return False, f"{error.message}: {error.hint}" if error.hint else error.message
        who = f" as {registry.options.username}" if registry.options.username else ""
        return True, f"{registry.registry} is a registry and lets us in{who}"

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The connection's form for Airflow before 3.2, which does not read it from the provider's description."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What of the standard form is hidden or renamed, for Airflow before 3.2."""
        return {key.replace("-", "_"): value for key, value in FIELD_BEHAVIOUR.items()}

    def _read(self, connection: Any) -> RegistryConnection:
        registry = read_connection(connection)
        for secret in secrets(registry.options):
            mask(secret)
        return registry

    def _without_connection(self) -> RegistryConnection:
        if self.kitops_conn_id != self.default_conn_name:
            raise AirflowNotFoundException(f"The conn_id `{self.kitops_conn_id}` isn't defined")
        from kitops_core.storage.registry import RegistryOptions

        return RegistryConnection(self.kitops_conn_id, "", "", RegistryOptions())

    async def _aget(self) -> Any:
        if hasattr(BaseHook, "aget_connection"):
            return await self.aget_connection(self.kitops_conn_id)
        from asgiref.sync import sync_to_async

        return await sync_to_async(self.get_connection)(self.kitops_conn_id)

    def _made(self, record: ModelKitRecord, key: str, push: bool) -> None:
        """Sign what was packed, once, and tell of it."""
        import kitops_core as kitops

        pinned = str(parse_reference(record.reference).with_digest(record.digest))
        if key:
            where: dict[str, Any] = {"remote": push, "store": self._store, "cancel": self.cancel}
            where["registry"] = self.options(pinned) if push else None
            signing = kitops.SigningKey.load(key)
            try:
                kitops.verify(pinned, keys=[signing.public], **where)
            except kitops.VerificationError:
                kitops.sign(pinned, key=signing, **where)
        if push:
            self._lineage("add_output_asset", pinned)

    def _lineage(self, method: str, reference: str) -> None:
        """Tell Airflow's collector, from which the lineage of plain Python tasks is made."""
        name, at, digest = reference.partition("@")
        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        extra = {"digest": digest} if at else {}
        getattr(collector, method)(
            context=self, scheme="oci", asset_kwargs={"reference": name}, asset_extra=extra or None
        )

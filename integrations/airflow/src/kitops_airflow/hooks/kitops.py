"""The hook: Airflow connections, and the client that talks as they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

import kitops_core as kitops
from kitops_airflow.connection import RegistryConnection, read_connection, secrets
from kitops_airflow.connection_form import FIELD_BEHAVIOUR, form_widgets
from kitops_airflow.masking import mask
from kitops_core import InvalidInputError, KitOpsError
from kitops_core.orchestrate.names import complete


class KitOpsHook(BaseHook):
    """Gives a :class:`kitops_core.Client` that talks to registries as ``kitops`` connections say.

    Where a registry refuses a connection's credentials, the connection is read once more, and the request repeated if
    they were renewed: a task may last longer than its credentials.

    Nothing is looked up before it is needed. Where there is no connection ``kitops_default``, the credentials of
    ``docker login`` and ``kitops login`` are used, and every reference names its registry.

    Args:
        kitops_conn_id: The connection, or several: each is for its own registry, and the first completes references
            that name none. A registry that no connection is for is talked to with the credentials of ``docker login``.
        signer: Where the private key is that signs kits and what is said about them; by default what the first
            connection says that names one.
        run: The run that works.
        keep_trying: Seconds a registry that is away is waited for, instead of what the connections say.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.
        lineage: Whether Airflow's lineage is told what the client reads and writes. Operators say that themselves, and
            Airflow loads every plugin and provider for it, which takes longer than a small push.
        on_lineage: Called with what the client makes, where Airflow's OpenLineage provider tells of this task; where
            it does not, the engine tells OpenLineage itself, if that is configured.
    """

    conn_name_attr = "kitops_conn_id"
    default_conn_name = "kitops_default"
    conn_type = "kitops"
    hook_name = "KitOps (OCI registry)"

    def __init__(
        self,
        kitops_conn_id: str | Sequence[str] = default_conn_name,
        *,
        signer: str = "",
        run: kitops.Source | None = None,
        keep_trying: float | None = None,
        on_event: Callable[[kitops.Event], None] | None = None,
        cancel: kitops.Cancel | None = None,
        lineage: bool = True,
        on_lineage: Callable[[kitops.Operation], None] | None = None,
    ) -> None:
        super().__init__()
        self.kitops_conn_id = kitops_conn_id
        self.signer = signer
        self.run = run
        self.keep_trying = keep_trying
        self.on_event = on_event
        self.cancel = cancel
        self.lineage = lineage
        self.on_lineage = on_lineage
        self._renews = True

    def get_conn(self) -> kitops.Client:
        """The client; a context manager that closes its connections. What it reads and writes is in the lineage."""
        return self._client

    def reference(self, text: str) -> kitops.Reference:
        """A reference, completed with the first connection's registry and namespace where it names none.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        first = self.connections[0]
        return complete(text, first.registry, first.namespace)

    @cached_property
    def connections(self) -> tuple[RegistryConnection, ...]:
        """What the connections say.

        Raises:
            AirflowNotFoundException: There is no such connection.
            InvalidInputError: A field of one cannot be used.
        """
        return tuple(self._read(conn_id, self._get(conn_id)) for conn_id in self._ids)

    async def aload(self) -> None:
        """Look the connections up, for code that runs in an event loop."""
        self._renews = False  # a connection cannot be read from the threads of a process with an event loop
        if "connections" not in self.__dict__:
            found = [self._read(conn_id, await self._aget(conn_id)) for conn_id in self._ids]
            self.__dict__["connections"] = tuple(found)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the registry for ``/v2/`` with the connection's credentials; Airflow shows the answer."""
        try:
            first = self.connections[0]
            if not first.registry:
                return False, "the connection names no registry: set its host"
            with self.get_conn() as client:
                client.ping(first.registry)
        except KitOpsError as error:
            return False, f"{error.message}: {error.hint}" if error.hint else error.message
        who = f" as {first.options.username}" if first.options.username else ""
        return True, f"{first.registry} is a registry and lets us in{who}"

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The connection's form for Airflow before 3.2, which does not read it from the provider's description."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What of the standard form is hidden or renamed, for Airflow before 3.2."""
        return {key.replace("-", "_"): value for key, value in FIELD_BEHAVIOUR.items()}

    @property
    def _ids(self) -> list[str]:
        return [self.kitops_conn_id] if isinstance(self.kitops_conn_id, str) else list(self.kitops_conn_id)

    @cached_property
    def _client(self) -> kitops.Client:
        from kitops_airflow.openlineage import provider_tells

        make: Callable[..., kitops.Client] = kitops.Client
        if self.lineage:
            from kitops_airflow.lineage import LineageClient

            make = partial(LineageClient, self)
        return make(
            registries=self._registries(),
            signer=self.signer or next((found.signer for found in self.connections if found.signer), None),
            run=self.run,
            on_event=self.on_event,
            cancel=self.cancel,
            on_lineage=(self.on_lineage or _told_by_the_provider) if provider_tells() else None,
        )

    def _registries(self) -> kitops.Registries:

        hosts: dict[str, kitops.RegistryOptions] = {}
        others = None
        for connection in self.connections:
            options = connection.options
            if options.has_credentials and self._renews:
                options = replace(options, renew=partial(self._renewed, connection.conn_id))
            if self.keep_trying is not None:
                options = replace(options, keep_trying=self.keep_trying)
            if connection.registry in hosts:
                raise InvalidInputError(f"two connections are for {connection.registry}", hint="name one of them")
            if connection.registry:
                hosts[connection.registry] = options
            else:
                others = options
        return kitops.Registries(hosts, others=others)

    def _renewed(self, conn_id: str) -> kitops.RegistryOptions:
        return self._read(conn_id, self._get(conn_id)).options

    def _read(self, conn_id: str, connection: Any) -> RegistryConnection:
        if connection is None:
            return RegistryConnection(conn_id, "", "", kitops.RegistryOptions())
        registry = read_connection(connection)
        for secret in secrets(registry.options):
            mask(secret)
        return registry

    def _get(self, conn_id: str) -> Any:
        """A connection; ``None`` where the default one is not there."""
        try:
            return self.get_connection(conn_id)
        except AirflowNotFoundException:
            return self._missing(conn_id)

    async def _aget(self, conn_id: str) -> Any:
        if not hasattr(BaseHook, "aget_connection"):
            from asgiref.sync import sync_to_async

            return await sync_to_async(self._get)(conn_id)
        try:
            return await self.aget_connection(conn_id)
        except AirflowNotFoundException:
            return self._missing(conn_id)

    def _missing(self, conn_id: str) -> None:
        if conn_id != self.default_conn_name:
            raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
        # A secrets backend that fails is the same to Airflow as one that has no such connection.
        self.log.info("there is no connection '%s': the credentials of docker login and kitops login are used", conn_id)


def _told_by_the_provider(operation: kitops.Operation) -> None:
    """Nothing: the provider collects what the client read and wrote, and says so in the event of the task."""

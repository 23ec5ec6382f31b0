"""From an Airflow connection to a registry and how to talk to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_airflow.connection_form import CONN_FIELDS
from kitops_core.errors import InvalidInputError
from kitops_core.reference import LOCAL_REGISTRY, Reference, parse_reference

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from kitops_core.storage.registry import RegistryOptions


@dataclass(frozen=True)
class RegistryConnection:
    """What a ``kitops`` connection says.

    Attributes:
        conn_id: Its id, for messages.
        registry: Host and port; empty where the connection names none.
        namespace: What repositories named without a registry are below.
        options: How to talk to the registry, with the connection's credentials.
    """

    conn_id: str
    registry: str
    namespace: str
    options: RegistryOptions

    def complete(self, text: str) -> Reference:
        """A reference, which may leave out the connection's registry and namespace.

        Raises:
            InvalidReferenceError: It does not follow the grammar.
        """
        reference = parse_reference(text)
        if reference.is_local_name and self.registry:
            prefix = f"{self.registry}/{self.namespace}" if self.namespace else self.registry
            return parse_reference(f"{prefix}/{text}")
        return reference

    def options_for(self, *references: Reference) -> RegistryOptions:
        """How to talk to the registries of some references.

        The connection's credentials are for its own registry only: another registry is never sent them. Where several
        registries take part, the others are talked to with the credentials of ``docker login`` and ``kitops login``.

        Raises:
            InvalidInputError: The connection has credentials, and none of the references is in its registry.
        """
        options = self.options
        secret = options.username or options.token or options.identity_token
        elsewhere = [reference for reference in references if not reference.is_local_name]
        if secret and elsewhere and self.registry.lower() not in {item.registry.lower() for item in elsewhere}:
            raise InvalidInputError(
                f"connection '{self.conn_id}' has credentials for {self.registry or 'no registry'}, and {elsewhere[0]} "
                f"is in {elsewhere[0].registry}",
                hint="name another connection with kitops_conn_id, or set the connection's host",
            )
        return options


def read_connection(connection: Connection) -> RegistryConnection:
    """Read a connection.

    Raises:
        InvalidInputError: A field cannot be used; the message names it, never its value.
    """
    from kitops_core.storage.registry import RegistryOptions

    conn_id = connection.conn_id or "kitops"
    extra = _extra(connection, conn_id)
    registry, namespace, plain_http = _address(connection, conn_id)
    given, tls_verify = (_flag(extra, name, conn_id) for name in ("plain_http", "tls_verify"))
    if None not in (plain_http, given) and plain_http is not given:
        raise InvalidInputError(
            f"connection '{conn_id}': plain_http is {str(given).lower()}, and the host begins with "
            f"{'http' if plain_http else 'https'}://",
            hint="leave one of them out",
        )
    if bool(connection.login) != bool(connection.password):
        raise InvalidInputError(
            f"connection '{conn_id}': {'password' if connection.login else 'login'} is missing",
            hint="give both or neither; a token alone goes into the extra field token or identity_token",
        )

    def text(name: str) -> str:
        return str(extra.get(name) or "")

    def path(name: str) -> Path | None:
        return Path(os.path.expanduser(text(name))) if text(name) else None

    try:
        options = RegistryOptions(
            plain_http=plain_http if given is None else given,
            tls_verify=tls_verify is not False,
            ca_file=path("ca_file"),
            client_cert=path("client_cert"),
            client_key=path("client_key"),
            host=registry,
            origin=f"connection '{conn_id}'",
            username=connection.login or "",
            password=connection.password or "",
            token=text("token"),
            identity_token=text("identity_token"),
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"connection '{conn_id}': {error.message}", hint=error.hint) from None
    return RegistryConnection(conn_id, registry, namespace, options)


def secrets(options: RegistryOptions) -> list[str]:
    """What must be masked in logs."""
    return [secret for secret in (options.password, options.token, options.identity_token) if secret]


def _extra(connection: Connection, conn_id: str) -> Mapping[str, Any]:
    extra = connection.extra_dejson
    if not isinstance(extra, Mapping):
        raise InvalidInputError(f"connection '{conn_id}': extra is not a JSON object")
    unknown = sorted(set(extra) - set(CONN_FIELDS))
    if unknown:
        hint = "it may have " + ", ".join(CONN_FIELDS)
        if {"username", "login", "password"} & set(unknown):
            hint = "the user name goes into the connection's login, and the password into its password"
        raise InvalidInputError(f"connection '{conn_id}': extra has a field '{unknown[0]}' that is not read", hint=hint)
    return extra


def _address(connection: Connection, conn_id: str) -> tuple[str, str, bool | None]:
    """Registry and namespace, and whether the scheme says plain HTTP; ``None`` where there is none."""
    scheme, mark, rest = (connection.host or "").strip().rpartition("://")
    if "@" in rest:  # what is before it may be a password
        raise InvalidInputError(
            f"connection '{conn_id}': the host has an '@'", hint="user name and password have fields of their own"
        )
    if scheme not in ("", "https", "http", "oci"):
        raise InvalidInputError(
            f"connection '{conn_id}': host begins with '{scheme}{mark}'", hint="write registry.example.com"
        )
    host, _, namespace = rest.strip("/").partition("/")
    if connection.port:
        host = f"{host}:{connection.port}"
    namespace = namespace or (connection.schema or "").strip("/")
    if host:
        try:
            found = parse_reference(f"{host}/{namespace or 'any'}")
        except InvalidInputError as error:
            raise InvalidInputError(f"connection '{conn_id}': host: {error.message}", hint=error.hint) from None
        if found.registry == LOCAL_REGISTRY:
            raise InvalidInputError(
                f"connection '{conn_id}': host '{host}' is not a registry: it has neither '.' nor ':'",
                hint="write registry.example.com or localhost:5000",
            )
    return host, namespace, {"http": True, "https": False}.get(scheme)


def _flag(extra: Mapping[str, Any], name: str, conn_id: str) -> bool | None:
    value = extra.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "yes", "on"):
        return True
    if str(value).lower() in ("false", "0", "no", "off"):
        return False
    raise InvalidInputError(f"connection '{conn_id}': {name} is '{value}', and must be true or false")

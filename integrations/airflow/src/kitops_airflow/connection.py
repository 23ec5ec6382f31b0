"""From an Airflow connection to a registry and how to talk to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import kitops_core as kitops
from kitops_airflow.connection_form import CONN_FIELDS
from kitops_core import InvalidInputError, parse_reference

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


@dataclass(frozen=True)
class RegistryConnection:
    """What a ``kitops`` connection says.

    Attributes:
        conn_id: Its id, for messages.
        registry: Host and port; empty where the connection names none.
        namespace: What repositories named without a registry are below.
        options: How to talk to the registry, with the connection's credentials.
        signer: Where the private key is that signs where a task names none; never the key itself.
        trust: Who must have signed, for tasks that verify by the connection: ``keys``, or ``identity`` and ``issuer``,
            as :meth:`kitops_core.Client.verify` takes them; empty where the connection does not say.
    """

    conn_id: str
    registry: str
    namespace: str
    options: kitops.RegistryOptions
    signer: str = ""
    trust: Mapping[str, Any] = field(default_factory=dict)


def read_connection(connection: Connection) -> RegistryConnection:
    """Read a connection.

    Raises:
        InvalidInputError: A field cannot be used; the message names it, never its value.
    """
    conn_id = connection.conn_id or "kitops"
    extra = _extra(connection, conn_id)
    registry, namespace, plain_http = _address(connection, conn_id)
    given = {name: _value(name, value, conn_id) for name, value in extra.items() if value not in (None, "")}
    signer = given.pop("signer", "")
    trust: dict[str, Any] = {name: given.pop(name) for name in ("keys", "identity", "issuer") if name in given}
    for name, value in (("signer", signer), ("keys", trust.get("keys", ""))):
        if "PRIVATE KEY" in value:
            raise InvalidInputError(
                f"connection '{conn_id}': {name} holds a private key", hint="name a file on the worker, or env://NAME"
            )
    if "keys" in trust:
        trust["keys"] = [key.strip() for key in trust["keys"].split(",") if key.strip()]
    if None not in (plain_http, given.get("plain_http")) and plain_http is not given["plain_http"]:
        raise InvalidInputError(
            f"connection '{conn_id}': plain_http is {str(given['plain_http']).lower()}, and the host begins with "
            f"{'http' if plain_http else 'https'}://",
            hint="leave one of them out",
        )
    if bool(connection.login) != bool(connection.password):
        raise InvalidInputError(
            f"connection '{conn_id}': {'password' if connection.login else 'login'} is missing",
            hint="give both or neither; a token alone goes into the extra field token or identity_token",
        )
    try:
        options = kitops.RegistryOptions(
            **{
                "plain_http": plain_http,
                "origin": f"connection '{conn_id}'",
                "username": connection.login or "",
                "password": connection.password or "",
                **given,
            }
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"connection '{conn_id}': {error.message}", hint=error.hint) from None
    if options.has_credentials and not registry:
        raise InvalidInputError(
            f"connection '{conn_id}' has credentials, and no registry that they are for", hint="set its host"
        )
    return RegistryConnection(conn_id, registry, namespace, options, signer, trust)


def secrets(options: kitops.RegistryOptions) -> list[str]:
    """What must be masked in logs; Airflow knows the fields of a connection that it calls by such names only."""
    proxy = urlsplit(options.proxy or "").password or ""
    return [secret for secret in (options.password, options.token, options.identity_token, proxy) if secret]


def _extra(connection: Connection, conn_id: str) -> Mapping[str, Any]:
    try:  # Airflow only logs that it is none, and takes it for empty
        json.loads(connection.extra or "{}")
    except ValueError:
        raise InvalidInputError(f"connection '{conn_id}': extra is not a JSON object") from None
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
    if scheme and namespace in ("v1", "v2"):  # the address of the API, as docker login has Docker Hub's
        namespace = ""
    if connection.port:
        host = f"{host}:{connection.port}"
    namespace = namespace or (connection.schema or "").strip("/")
    if namespace and not host:
        raise InvalidInputError(
            f"connection '{conn_id}' has a schema, '{namespace}', and no host",
            hint="as a URI it begins with its type: kitops://registry.example.com",
        )
    if host:
        try:
            found = parse_reference(f"{host}/{namespace or 'any'}")
        except InvalidInputError as error:
            raise InvalidInputError(f"connection '{conn_id}': host: {error.message}", hint=error.hint) from None
        if found.is_local_name:
            raise InvalidInputError(
                f"connection '{conn_id}': host '{host}' is not a registry: it has neither '.' nor ':'",
                hint="write registry.example.com or localhost:5000",
            )
    return host, namespace, {"http": True, "https": False}.get(scheme)


def _value(name: str, value: Any, conn_id: str) -> Any:
    """A field's value, of the kind that the form says."""
    kind = CONN_FIELDS[name]["schema"]["type"][0]
    if kind == "boolean":
        flags = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        if str(value).lower() in flags:
            return flags[str(value).lower()]
        raise InvalidInputError(f"connection '{conn_id}': {name} is '{value}', and must be true or false")
    if kind in ("number", "integer"):
        try:
            return int(value) if kind == "integer" else float(value)
        except (TypeError, ValueError):
            raise InvalidInputError(f"connection '{conn_id}': {name} is '{value}', and must be a number") from None
    if not isinstance(value, str):
        raise InvalidInputError(f"connection '{conn_id}': {name} must be text")
    if name == "credential_files":
        return tuple(Path(os.path.expanduser(file)) for file in value.split(os.pathsep) if file)
    return Path(os.path.expanduser(value)) if name in ("ca_file", "client_cert", "tls_key") else value

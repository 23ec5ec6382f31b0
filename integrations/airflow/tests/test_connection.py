"""A ``kitops`` connection: what it says, whom its credentials are for, and how it is tested."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, Connection
from registry_fixture import PASSWORD, USERNAME, Served

import kitops_core as kitops
from kitops_airflow import KitOpsHook
from kitops_airflow.connection import read_connection, secrets
from kitops_core import InvalidInputError, RegistryOptions

SECRET = "hunter2-never-shown"


def connection(**fields: Any) -> Connection:
    extra = fields.pop("extra", None)
    return Connection(conn_id="c", conn_type="kitops", extra=json.dumps(extra) if extra is not None else None, **fields)


def set_connection(monkeypatch: pytest.MonkeyPatch, name: str = "kitops_default", **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "kitops", **fields}))


@pytest.mark.parametrize(
    ("fields", "registry", "namespace"),
    [
        ({"host": "registry.example.com"}, "registry.example.com", ""),
        ({"host": "registry.example.com/ml/team"}, "registry.example.com", "ml/team"),
        ({"host": "https://registry.example.com/"}, "registry.example.com", ""),
        ({"host": "https://index.docker.io/v1/"}, "index.docker.io", ""),  # as docker login names Docker Hub
        ({"host": "registry.example.com/v2"}, "registry.example.com", "v2"),
        ({"host": "127.0.0.1", "port": 5000}, "127.0.0.1:5000", ""),
        ({"host": "127.0.0.1", "port": 5000, "schema": "ml"}, "127.0.0.1:5000", "ml"),
        ({}, "", ""),
    ],
)
def test_host_port_and_namespace(fields: dict[str, Any], registry: str, namespace: str) -> None:
    read = read_connection(connection(**fields))
    assert (read.registry, read.namespace) == (registry, namespace)


@pytest.mark.parametrize(
    ("host", "plain_http"),
    [("http://r.example.com", True), ("https://localhost:5000", False), ("r.example.com", None), ("oci://r.io", None)],
)
def test_the_scheme_of_the_host_says_whether_to_talk_plain_http(host: str, plain_http: bool | None) -> None:
    assert read_connection(connection(host=host)).options.plain_http is plain_http


def test_a_name_without_a_registry_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, host="registry.example.com/ml")
    hook = KitOpsHook()
    assert str(hook.reference("churn:1.0")) == "registry.example.com/ml/churn:1.0"
    assert str(hook.reference("other.example.com/churn:1.0")) == "other.example.com/churn:1.0"


def test_it_may_say_who_signs_where_a_task_does_not(
    monkeypatch: pytest.MonkeyPatch, registry: str, tmp_path: Path
) -> None:
    private, public = kitops.generate_key_pair(b"")
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    monkeypatch.setenv("RELEASE_KEY", private.decode())
    set_connection(monkeypatch, host=registry, extra={"signer": "env://RELEASE_KEY"})
    (tmp_path / "model.onnx").write_bytes(b"weights")
    with KitOpsHook().get_conn() as client:
        client.pack(tmp_path, f"{registry}/signs/churn:1", push=True)
        assert client.verify(f"{registry}/signs/churn:1", keys=[public.decode()], where="registry").signers
    with pytest.raises(InvalidInputError, match="signer holds a private key"):
        read_connection(connection(host=registry, extra={"signer": private.decode()}))


def test_its_fields_become_options() -> None:
    extra = {"plain_http": "true", "tls_verify": False, "ca_file": "/etc/ca.pem"}
    options = read_connection(connection(host="r.example.com", login="ci", password=SECRET, extra=extra)).options
    assert (options.plain_http, options.tls_verify, str(options.ca_file)) == (True, False, "/etc/ca.pem")
    assert (options.username, options.password) == ("ci", SECRET)


FIELDS: dict[str, Any] = {
    "plain_http": True,
    "tls_verify": False,
    "ca_file": "/etc/ca.pem",
    "client_cert": "/etc/client.pem",
    "tls_key": "/etc/client.key",
    "token": SECRET,
    "identity_token": SECRET,
    "credential_files": "/etc/one.json:/etc/two.json",
    "proxy": f"http://ci:{SECRET}@proxy.example.com",
    "connect_timeout": 3,
    "timeout": "30",
    "keep_trying": "2",
    "backoff": 0.1,
    "settle": 2.5,
}


@pytest.mark.parametrize(
    "name", sorted(RegistryOptions.__dataclass_fields__.keys() - {"origin", "username", "password", "renew"})
)
def test_every_option_of_the_transport_is_a_field_of_the_connection(name: str) -> None:
    extra = {name: FIELDS[name], **({"client_cert": "/etc/client.pem"} if name == "tls_key" else {})}
    options = read_connection(connection(host="r.example.com", extra=extra)).options
    value = getattr(options, name)
    assert value != RegistryOptions.__dataclass_fields__[name].default
    if name == "credential_files":
        assert [str(file) for file in value] == FIELDS[name].split(":")
    else:
        assert str(value) == str(type(value)(FIELDS[name]))
    assert SECRET not in repr(options)


def test_two_connections_for_one_registry_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        set_connection(monkeypatch, name, host="r.example.com", login=name, password=SECRET)
    with pytest.raises(InvalidInputError, match=r"two connections are for r\.example\.com"):
        KitOpsHook(["one", "two"]).get_conn()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "registry"}, "host 'registry' is not a registry"),
        (
            {"host": "r.example.com", "extra": {"plain_http": "maybe"}},
            "^connection 'c': plain_http is 'maybe', and must",
        ),
        (
            {"host": "r.example.com", "extra": {"tls_verify": "maybe"}},
            "^connection 'c': tls_verify is 'maybe', and must",
        ),
        ({"host": "r.example.com", "login": "ci"}, "connection 'c': password is missing"),
        ({"host": "r.example.com", "password": SECRET}, "connection 'c': login is missing"),
        ({"host": f"ci:{SECRET}@r.example.com"}, "connection 'c': the host has an '@'"),
        ({"host": "ftp://r.example.com"}, "connection 'c': host begins with 'ftp://'"),
        ({"host": "r.example.com:1", "port": 2}, "connection 'c': host: "),
        (
            {"host": "r.example.com", "extra": {"keep_trying": "many"}},
            "^connection 'c': keep_trying is 'many', and must",
        ),
        ({"host": "r.example.com", "extra": {"timeout": -1}}, "^connection 'c': .*timeouts"),
        ({"host": "r.example.com", "extra": {"ca_file": ["a"]}}, "^connection 'c': ca_file must be text"),
        ({"schema": "egistry.example.com"}, "connection 'c' has a schema, 'egistry.example.com', and no host"),
        ({"login": "ci", "password": SECRET}, "connection 'c' has credentials, and no registry that they are for"),
        ({"host": "http://r.example.com", "extra": {"plain_http": False}}, "plain_http is false, and the host begins"),
        ({"host": "r.example.com", "extra": {"tls_verfy": False}}, "extra has a field 'tls_verfy' that is not read"),
        ({"host": "r.example.com", "extra": {"password": SECRET}}, "extra has a field 'password' that is not read"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_and_no_secret_is_shown(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_connection(connection(**fields))
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("extra", ["timeout=3", "{'timeout': 3}", "[1]"])
def test_an_extra_that_is_no_json_object_is_refused_and_not_taken_for_empty(extra: str) -> None:
    with pytest.raises(InvalidInputError, match="connection 'c': extra is not a JSON object"):
        read_connection(Connection(conn_id="c", conn_type="kitops", host="r.example.com", extra=extra))


def test_the_password_of_a_proxy_is_among_what_is_masked() -> None:
    read = read_connection(connection(host="r.example.com", extra={"proxy": f"http://ci:{SECRET}@proxy:3128"}))
    assert secrets(read.options) == [SECRET]


def test_neither_the_connection_nor_the_hook_shows_a_secret() -> None:
    read = read_connection(connection(host="r.example.com", login="ci", password=SECRET, extra={"token": SECRET}))
    assert SECRET not in repr(read)
    assert SECRET not in repr(vars(KitOpsHook()))


def test_without_a_connection_references_name_their_registry_themselves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(KitOpsHook, "log", logging.getLogger("hook"))
    caplog.set_level("INFO", "hook")
    hook = KitOpsHook()
    assert [found.registry for found in hook.connections] == [""]
    assert str(hook.reference("r.example.com/ml/churn:1")) == "r.example.com/ml/churn:1"
    assert "there is no connection 'kitops_default': the credentials of docker login" in caplog.text


def test_a_connection_that_was_asked_for_must_be_there() -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        KitOpsHook("nowhere").get_conn()


def test_testing_it_asks_the_registry_with_its_credentials(
    auth_registry: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, host=auth_registry.address, login=USERNAME, password=PASSWORD)
    assert KitOpsHook().test_connection() == (
        True,
        f"{auth_registry.address} is a registry and lets us in as {USERNAME}",
    )


def test_testing_it_with_a_wrong_password_says_so_without_showing_it(
    auth_registry: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, host=auth_registry.address, login=USERNAME, password=SECRET)
    passed, message = KitOpsHook().test_connection()
    assert not passed
    assert "401" in message or "refused" in message
    assert SECRET not in message


def test_testing_one_that_reaches_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, host="127.0.0.1:9")
    passed, message = KitOpsHook().test_connection()
    assert not passed
    assert "127.0.0.1:9" in message
    set_connection(monkeypatch)
    assert KitOpsHook().test_connection() == (False, "the connection names no registry: set its host")

"""Fixtures for every test of the core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from fault_proxy import FaultProxy, fault_proxy
from registry_fixture import HTPASSWD, PASSWORD, USERNAME, Served, TlsRegistry, TokenRegistry, serve_registry
from token_server import ISSUER, SERVICE, token_server


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the stores and credentials of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KITOPS_HOME", str(home / "kitops"))


@pytest.fixture
def home() -> Path:
    """The home directory of this test: ``~``, with the local store in ``kitops`` below it."""
    return Path(os.environ["HOME"])


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """``host:port`` of an open registry over plain HTTP: $KITOPS_TEST_REGISTRY, or one started for the session."""
    given = os.environ.get("KITOPS_TEST_REGISTRY")
    if given:
        yield given
        return
    with serve_registry() as served:
        yield served.address


@pytest.fixture(scope="session")
def auth_registry() -> Iterator[Served]:
    """A registry that wants a user name and password (``registry_fixture.USERNAME`` and ``PASSWORD``)."""
    extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
    with serve_registry(extra, files={"htpasswd": HTPASSWD}) as served:
        yield served


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRegistry]:
    """A registry with its own certificate authority, and client certificates."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(directory / "client.pem"))
    server = authority.issue_cert("127.0.0.1")
    files = {
        "cert.pem": "".join(pem.bytes().decode() for pem in server.cert_chain_pems),
        "key.pem": server.private_key_pem.bytes().decode(),
        "ca.pem": authority.cert_pem.bytes().decode(),
    }
    extra = "  tls: {certificate: {root}/cert.pem, key: {root}/key.pem, clientcas: ['{root}/ca.pem']}\n"
    with serve_registry(extra, scheme="https", files=files) as served:
        yield TlsRegistry(served.address, directory / "ca.pem", directory / "client.pem")


@pytest.fixture(scope="session")
def _token_registry() -> Iterator[TokenRegistry]:
    with token_server({USERNAME: PASSWORD}) as service:
        settings = (
            f"realm: '{service.realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: '{{root}}/root.pem'"
        )
        with serve_registry(f"auth: {{token: {{{settings}}}}}\n", files={"root.pem": service.certificate}) as served:
            yield TokenRegistry(served.address, service)


@pytest.fixture
def token_registry(_token_registry: TokenRegistry) -> TokenRegistry:
    """A registry that wants bearer tokens, its service as new."""
    _token_registry.service.reset()
    return _token_registry


@pytest.fixture
def faults(registry: str) -> Iterator[FaultProxy]:
    """A reverse proxy before ``registry`` that misbehaves when told to."""
    with fault_proxy(registry) as proxy:
        yield proxy

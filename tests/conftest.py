"""Fixtures for every test of the core."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import trustme
from fault_proxy import FaultProxy, fault_proxy
from hub_server import Hub, hub_server
from kserve_environment import KServe
from promotion_world import World
from referrers_server import referrers_server
from registry_fixture import TlsRegistry, TokenRegistry, serve_registry, serve_zot
from s3_server import S3Server, s3_server
from token_server import serve_token_registry

from kitops_core.storage import Storage
from kitops_core.storage.local import LocalRepository, LocalStore
from kitops_core.storage.registry import RegistryRepository

pytest_plugins = ["registry_plugin"]

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each command that a test starts would compile all of us again
os.environ.setdefault("GOGC", "1000")  # a third of what a registry does for a test is looking for garbage
hypothesis.settings.register_profile("fast", max_examples=20, deadline=None)  # `make test-fast`
hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the stores and credentials of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KITOPS_HOME", str(home / "kitops"))


@pytest.fixture
def quiet_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine takes the processor for idle, whatever else runs on this machine: how it looks is tested by itself."""
    monkeypatch.setattr("kitops_core.lanes._busy_seconds", lambda: (0.0, 0.0))


@pytest.fixture
def home() -> Path:
    """The home directory of this test: ``~``, with the local store in ``kitops`` below it."""
    return Path(os.environ["HOME"])


@pytest.fixture(scope="session")
def referrers_registry() -> Iterator[str]:
    """``host:port`` of an open registry with the referrers API: ``zot`` where it is installed, else a fake."""
    program = shutil.which("zot")
    if program:
        with serve_zot(program) as address:
            yield address
        return
    with referrers_server() as server:
        yield server.address


@pytest.fixture(scope="session", params=["fallback tag", "referrers API"])
def dropping_registry(request: pytest.FixtureRequest) -> Iterator[str]:
    """``host:port`` of a stand-in for registries that drop what has no tag, without the referrers API and with it."""
    with referrers_server(drops_untagged=True, api=request.param == "referrers API") as server:
        yield server.address


@pytest.fixture(params=["fallback tag", "referrers API"])
def either_registry(request: pytest.FixtureRequest) -> str:
    """``host:port`` of a registry without the referrers API, then of one with it."""
    name = "registry" if request.param == "fallback tag" else "referrers_registry"
    return str(request.getfixturevalue(name))


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
    with serve_token_registry() as served:
        yield served


@pytest.fixture
def token_registry(_token_registry: TokenRegistry) -> TokenRegistry:
    """A registry that wants bearer tokens, its service as new."""
    _token_registry.service.reset()
    return _token_registry


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in for the Hugging Face Hub, as the hub that the client in this process talks to."""
    pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")
    with hub_server() as served:
        served.use(monkeypatch)
        yield served


@pytest.fixture
def either_faults(either_registry: str) -> Iterator[FaultProxy]:
    """A reverse proxy before ``either_registry`` that counts requests, and misbehaves when told to."""
    with fault_proxy(either_registry) as proxy:
        yield proxy


@pytest.fixture(
    params=["local store", "registry", pytest.param("registry with the referrers API", marks=pytest.mark.slow)]
)
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """An empty repository: in the local store, in the registry, and in one with the referrers API."""
    name = f"storage/{uuid.uuid4().hex}"
    storage: Storage
    if request.param == "local store":
        storage = LocalRepository(LocalStore(), f"localhost/{name}")
    else:
        address = request.getfixturevalue("registry" if request.param == "registry" else "referrers_registry")
        storage = RegistryRepository(address, name)
    yield storage
    storage.close()


@pytest.fixture(scope="session")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> KServe:
    """KServe's own downloader and models, installed for the session."""
    return KServe(tmp_path_factory.mktemp("kserve") / "venv")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A kit in the local store, and a ``promotion.yaml`` beside it."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def _s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An S3 server that the environment tells of."""
    for name, value in _s3.environment.items():
        monkeypatch.setenv(name, value)
    return _s3

"""TLS with an own authority and client certificates, and proxies: all real, on loopback."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from blob_tools import fast, put_kit
from fault_proxy import ForwardProxy, forward_proxy
from registry_fixture import TlsRegistry

from kitops_core.errors import InvalidInputError, RegistryError
from kitops_core.storage.registry import RegistryOptions, RegistryRepository


def use(address: str, options: RegistryOptions) -> None:
    """Write and read a kit."""
    repository = RegistryRepository(address, "network/test", options)
    try:
        kit = put_kit(repository, ("v1",))
        assert repository.manifest("v1").raw == kit.raw
    finally:
        repository.close()


def test_an_own_authority_and_a_client_certificate_open_a_registry(tls_registry: TlsRegistry) -> None:
    use(tls_registry.address, fast(ca_file=tls_registry.ca, client_cert=tls_registry.client))


def test_without_checking_certificates_nothing_is_said_on_stderr(tls_registry: TlsRegistry) -> None:
    with warnings.catch_warnings():
        use(tls_registry.address, fast(tls_verify=False, plain_http=False, client_cert=tls_registry.client))


def test_an_authority_nobody_knows_is_named(tls_registry: TlsRegistry) -> None:
    with pytest.raises(RegistryError, match="certificate is not trusted") as caught:
        use(tls_registry.address, fast(plain_http=False, client_cert=tls_registry.client))
    assert "ca_file" in caught.value.hint


def test_a_missing_client_certificate_is_named(tls_registry: TlsRegistry) -> None:
    with pytest.raises(RegistryError, match="refused the TLS handshake") as caught:
        use(tls_registry.address, fast(ca_file=tls_registry.ca))
    assert "client_cert" in caught.value.hint


def test_plain_http_spoken_to_a_tls_registry_is_named(tls_registry: TlsRegistry) -> None:
    repository = RegistryRepository(tls_registry.address, "network/test", fast())
    with pytest.raises(RegistryError) as caught:
        repository.resolve("v1")
    assert "plain_http" in caught.value.hint
    repository.close()


@pytest.mark.parametrize("field", ["ca_file", "client_cert"])
@pytest.mark.parametrize("content", [None, "not PEM"])
def test_certificate_files_that_cannot_be_used_are_named(tmp_path: Path, field: str, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInputError, match=r"file\.pem"):
        use("127.0.0.1:1", fast(**{field: path}))


def test_a_key_of_another_certificate_is_named(tls_registry: TlsRegistry, tmp_path: Path) -> None:
    trustme.CA().issue_cert("other").private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    with pytest.raises(InvalidInputError, match=r"key\.pem"):
        use(tls_registry.address, fast(client_cert=tls_registry.client, tls_key=tmp_path / "key.pem"))


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with forward_proxy(credentials="user:p@ss") as server:
        yield server


def test_plain_http_goes_through_a_given_proxy(registry: str, proxy: ForwardProxy) -> None:
    use(registry, fast(proxy=f"http://user:p%40ss@{proxy.address}"))
    assert f"PUT {registry}" in proxy.seen


def test_tls_goes_through_a_tunnel(tls_registry: TlsRegistry, proxy: ForwardProxy) -> None:
    url = f"http://user:p%40ss@{proxy.address}"
    use(tls_registry.address, fast(proxy=url, ca_file=tls_registry.ca, client_cert=tls_registry.client))
    assert set(proxy.seen) == {f"CONNECT {tls_registry.address}"}


def test_tls_goes_through_a_tunnel_that_is_tls_itself(
    tls_registry: TlsRegistry, proxy: ForwardProxy, tmp_path: Path
) -> None:
    issuer, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
    both = tmp_path / "both.pem"
    both.write_bytes(tls_registry.ca.read_bytes() + issuer.cert_pem.bytes())
    url = f"https://user:p%40ss@{proxy.address}"
    use(tls_registry.address, fast(proxy=url, ca_file=both, client_cert=tls_registry.client))
    assert set(proxy.seen) == {f"CONNECT {tls_registry.address}"}


def test_the_environments_proxy_is_used_but_for_the_hosts_it_excludes(
    registry: str, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@{proxy.address}")
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@{proxy.address}")
    use(registry, fast())
    assert proxy.seen
    proxy.seen.clear()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    use(registry, fast())
    assert proxy.seen == []


def test_a_proxy_that_refuses_is_named_without_its_password(tls_registry: TlsRegistry, proxy: ForwardProxy) -> None:
    options = fast(proxy=f"http://user:wrong-secret@{proxy.address}", plain_http=False)
    with pytest.raises(RegistryError, match=r"proxy refused \(407\)") as caught:
        use(tls_registry.address, options)
    assert "wrong-secret" not in f"{caught.value}{caught.value.hint}{options!r}"
    assert len(proxy.seen) == 1


def test_a_proxy_that_is_not_there_is_named(registry: str) -> None:
    with pytest.raises(RegistryError, match="the proxy: the connection was refused"):
        use(registry, fast(proxy="http://127.0.0.1:1"))


def test_a_proxy_url_that_is_none_is_refused(registry: str) -> None:
    with pytest.raises(InvalidInputError, match="proxy"):
        use(registry, fast(proxy="socks9://user:secret@host"))

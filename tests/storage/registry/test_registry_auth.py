"""Who we are to a registry: a real one that asks for a password, credential files and helpers, ECR."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blob_tools import Bytes, fast, put_kit, some_bytes
from credential_files import AUTH, helper, new, write_json
from fault_proxy import change, fault_proxy, forward_proxy
from registry_fixture import PASSWORD, USERNAME, Served

from kitops_core.errors import DeniedError
from kitops_core.events import Control
from kitops_core.storage.registry import RegistryOptions

DATA = some_bytes(300_000)


# --- Basic -----------------------------------------------------------------------------------------------------


def test_a_user_name_and_password_open_a_basic_registry(auth_registry: Served) -> None:
    repository = new(auth_registry.address, fast(username=USERNAME, password=PASSWORD))
    kit = put_kit(repository, ("v1",))
    assert repository.manifest("v1").raw == kit.raw
    repository.close()


def test_without_credentials_the_hint_says_how_to_log_in(auth_registry: Served) -> None:
    repository = new(auth_registry.address, fast())
    with pytest.raises(DeniedError, match="401 UNAUTHORIZED") as caught:
        repository.write_blob(Bytes(DATA), Control())
    assert f"kitops login {auth_registry.address}" in caught.value.hint
    repository.close()


def test_wrong_credentials_are_refused_once_and_never_shown(
    auth_registry: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options = fast(username=USERNAME, password="wrong-secret")
    with fault_proxy(auth_registry.address) as proxy:
        repository = new(proxy.address, options)
        with pytest.raises(DeniedError) as caught:
            repository.resolve("v1")
        repository.close()
        assert len(proxy.seen) == 2
    shown = f"{caught.value}{caught.value.hint}{caught.value!r}{options!r}{repository!r}{caplog.text}"
    assert "wrong-secret" not in shown
    assert base64.b64encode(f"{USERNAME}:wrong-secret".encode()).decode() not in shown


@pytest.mark.parametrize("place", ["store", "docker", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "podman", "option"])
def test_credentials_are_found_wherever_tools_keep_them(
    auth_registry: Served, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    options, config = fast(), {"auths": {auth_registry.address: {"auth": AUTH}}}
    if place == "store":
        write_json(home / "kitops" / "credentials.json", config)
    elif place == "docker":
        write_json(home / ".docker" / "config.json", config)
    elif place == "DOCKER_CONFIG":
        monkeypatch.setenv(place, str(write_json(tmp_path / "config.json", config).parent))
    elif place == "REGISTRY_AUTH_FILE":
        monkeypatch.setenv(place, str(write_json(tmp_path / "auth.json", config)))
    elif place == "podman":
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        write_json(tmp_path / "containers" / "auth.json", config)
    else:
        options = fast(credential_files=(write_json(tmp_path / "mine.json", config),))
    repository = new(auth_registry.address, options)
    put_kit(repository, ("v1",))
    repository.close()


@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked(
    auth_registry: Served, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    address = auth_registry.address
    answered = {"ServerURL": address, "Username": USERNAME, "Secret": PASSWORD}
    helper(
        tmp_path, "test", f"assert (sys.argv[1:], server) == (['get'], {address!r})\nprint({json.dumps(answered)!r})"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    named = {"credHelpers": {address: "test"}} if kind == "credHelpers" else {"credsStore": "test"}
    write_json(home / ".docker" / "config.json", {"auths": {address: {}}, **named})
    repository = new(address, fast())
    put_kit(repository, ("v1",))
    repository.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "not on PATH"),
        ("print('credentials not found in native keychain'); sys.exit(1)", "has nothing for"),
        ("print('secret-but-no-json')", "no answer that can be read"),
    ],
)
def test_a_helper_that_does_not_help_is_named_in_the_hint(
    auth_registry: Served, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, said: str
) -> None:
    if body is not None:
        helper(tmp_path, "test", body)
    monkeypatch.setenv("PATH", str(tmp_path))
    write_json(home / ".docker" / "config.json", {"credsStore": "test"})
    repository = new(auth_registry.address, fast())
    with pytest.raises(DeniedError) as caught:
        repository.resolve("v1")
    assert "docker-credential-test" in caught.value.hint
    assert said in caught.value.hint
    assert "secret-but" not in caught.value.hint
    repository.close()


# --- ECR -------------------------------------------------------------------------------------------------------

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
FAKE_BOTO3 = f"""
class Client:
    def get_authorization_token(self):
        return {{"authorizationData": [{{"authorizationToken": {AUTH!r}}}]}}

def client(service, region_name):
    assert (service, region_name) == ("ecr", "eu-west-1")
    return Client()
"""


@pytest.fixture
def ecr(auth_registry: Served) -> Iterator[RegistryOptions]:
    """Options that reach a registry answering as ECR does, through a proxy that knows its host."""
    with fault_proxy(auth_registry.address) as faults, forward_proxy({ECR: faults.address}) as proxy:
        basic = f'Basic realm="https://{ECR}/",service="ecr.amazonaws.com"'

        def as_ecr(reply: object) -> None:
            headers = reply.headers  # type: ignore[attr-defined]
            if "Www-Authenticate" in headers:
                headers["Www-Authenticate"] = basic

        for method in ("GET", "HEAD", "POST", "PUT"):
            faults.fault(method, "", change(as_ecr), times=99)
        yield fast(proxy=f"http://{proxy.address}", plain_http=True)


def test_ecr_gets_a_token_of_the_aws_account(
    ecr: RegistryOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "boto3.py").write_text(FAKE_BOTO3)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "boto3", raising=False)
    repository = new(ECR, ecr)
    kit = put_kit(repository)
    assert repository.resolve(kit.digest).digest == kit.digest
    repository.close()
    monkeypatch.delitem(sys.modules, "boto3", raising=False)


def test_ecr_without_boto3_says_what_to_install(ecr: RegistryOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # type: ignore[arg-type]
    repository = new(ECR, ecr)
    with pytest.raises(DeniedError, match="boto3") as caught:
        repository.resolve("v1")
    assert "kitops-core[ecr]" in caught.value.hint
    repository.close()

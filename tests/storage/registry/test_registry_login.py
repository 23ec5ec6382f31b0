"""Logging in and out: credentials are checked first, kept for their owner only, and shared with other tools."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blob_tools import fast, put_kit
from clients import client
from registry_fixture import PASSWORD, USERNAME, Served, TokenRegistry

from kitops_core import Registries, login, logout
from kitops_core.errors import DeniedError, InvalidInputError, NotFoundError, RegistryError, StoreError
from kitops_core.storage.registry import RegistryRepository


def test_what_was_logged_in_to_can_be_used(auth_registry: Served, home: Path) -> None:
    path = login(auth_registry.address, USERNAME, PASSWORD)
    assert path == home / "kitops" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    assert json.loads(path.read_text()) == {"auths": {auth_registry.address: {"auth": auth}}}
    repository = RegistryRepository(auth_registry.address, "login/test", fast())
    put_kit(repository, ("v1",))
    repository.close()


def test_a_registry_with_tokens_can_be_logged_in_to(token_registry: TokenRegistry) -> None:
    login(token_registry.address, USERNAME, PASSWORD)
    assert token_registry.service.granted == [("GET", USERNAME, ())]


def test_wrong_credentials_are_not_kept(auth_registry: Served, token_registry: TokenRegistry, home: Path) -> None:
    for address in (auth_registry.address, token_registry.address):
        with pytest.raises(DeniedError, match=address) as caught:
            login(address, USERNAME, "wrong-secret")
        assert "wrong-secret" not in f"{caught.value}{caught.value.hint}"
    assert not (home / "kitops" / "credentials.json").exists()


def test_a_registry_that_is_not_there_keeps_nothing(home: Path) -> None:
    with pytest.raises(RegistryError, match="refused"):
        client(registries=Registries(others=fast())).login("127.0.0.1:1", USERNAME, PASSWORD)
    assert not (home / "kitops" / "credentials.json").exists()


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("x", ""), ("a:b", "x")])
def test_a_user_name_or_password_that_is_none_is_refused(username: str, password: str) -> None:
    with pytest.raises(InvalidInputError):
        login("127.0.0.1:1", username, password)


def test_what_others_keep_in_the_file_stays(auth_registry: Served, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    others = {"auths": {"ghcr.io": {"auth": "eDp5"}}, "credHelpers": {"gcr.io": "gcloud"}}
    path.write_text(json.dumps(others))
    path.chmod(0o644)
    client(store=tmp_path).login(auth_registry.address, USERNAME, PASSWORD)
    assert json.loads(path.read_text())["auths"].keys() == {"ghcr.io", auth_registry.address}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    client(store=tmp_path).logout(auth_registry.address)
    assert json.loads(path.read_text()) == others


def test_logins_at_the_same_time_are_all_kept(registry: str, tmp_path: Path) -> None:
    port = registry.partition(":")[2]
    hosts = [f"127.0.0.{number}:{port}" for number in (1,)] + [f"localhost:{port}"]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda host: client(store=tmp_path).login(host, USERNAME, PASSWORD), hosts * 4))
    assert json.loads((tmp_path / "credentials.json").read_text())["auths"].keys() == set(hosts)


def test_logging_out_of_what_one_is_not_logged_in_to_says_so(home: Path) -> None:
    with pytest.raises(NotFoundError, match=r"ghcr\.io"):
        logout("ghcr.io")
    assert not (home / "kitops" / "credentials.json").exists()


def test_a_broken_file_is_named_and_left_alone(auth_registry: Served, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("[")
    with pytest.raises(StoreError, match=r"credentials\.json"):
        client(store=tmp_path).login(auth_registry.address, USERNAME, PASSWORD)
    assert path.read_text() == "["


def test_docker_hub_stands_under_the_name_docker_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": "eDp5"}}}))
    client(store=tmp_path).logout("docker.io")
    assert json.loads(path.read_text()) == {"auths": {}}

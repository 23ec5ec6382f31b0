"""Bearer tokens: asked for what is done, renewed, and sent to nobody else."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from blob_tools import Bytes, Events, describe, fast, put_kit, read, some_bytes
from credential_files import AUTH, helper, new, write_json
from fault_proxy import answer, change, fault_proxy
from registry_fixture import HTPASSWD, PASSWORD, USERNAME, Served, TokenRegistry, serve_registry
from token_server import IDENTITY_TOKEN

from kitops_core.errors import DeniedError, RegistryError
from kitops_core.events import Control
from kitops_core.reference import Reference
from kitops_core.registries import Registries
from kitops_core.session import Session
from kitops_core.storage.registry import RegistryOptions, auth

DATA = some_bytes(300_000)


def test_a_token_is_asked_for_what_is_done(token_registry: TokenRegistry) -> None:
    repository = new(token_registry.address, fast(username=USERNAME, password=PASSWORD))
    name = repository.name.partition("/")[2]
    kit = put_kit(repository, ("v1",))
    repository.manifest("v1")
    repository.delete(kit.digest)
    asked = [scopes for _, _, scopes in token_registry.service.granted]
    assert asked == [(f"repository:{name}:{actions}",) for actions in ("pull,push", "pull", "pull,push,delete")]
    repository.close()


def test_without_credentials_a_token_only_reads(token_registry: TokenRegistry) -> None:
    writer = new(token_registry.address, fast(username=USERNAME, password=PASSWORD))
    kit = put_kit(writer, ("v1",))
    reader = new(token_registry.address, fast(), writer.name.partition("/")[2])
    assert reader.manifest("v1").raw == kit.raw
    assert read(reader, kit.layers[0]) == b"weights"
    with pytest.raises(DeniedError) as caught:
        reader.write_blob(Bytes(DATA), Control())
    assert "kitops login" in caught.value.hint
    writer.close()
    reader.close()


def test_mounting_asks_for_the_right_to_read_the_other_repository(token_registry: TokenRegistry) -> None:
    options = fast(username=USERNAME, password=PASSWORD)
    source, target = new(token_registry.address, options), new(token_registry.address, options)
    source.write_blob(Bytes(DATA), Control())
    token_registry.service.granted.clear()
    written = target.write_blob(Bytes(DATA, known=True), Control(), mount_from=[source.name])
    assert written.outcome == "mounted"
    names = [repository.name.partition("/")[2] for repository in (target, source)]
    asked = [scope.rpartition(":") for scope in token_registry.service.granted[-1][2]]
    rights = {resource: set(actions.split(",")) for resource, _, actions in asked}  # registries ask in any order
    assert rights == {f"repository:{names[0]}": {"pull", "push"}, f"repository:{names[1]}": {"pull"}}
    source.close()
    target.close()


def test_tokens_of_one_repository_are_not_used_for_another(token_registry: TokenRegistry) -> None:
    options = fast(username=USERNAME, password=PASSWORD)
    first, second = new(token_registry.address, options), new(token_registry.address, options)
    put_kit(first, ("v1",))
    put_kit(second, ("v1",))
    put_kit(first, ("v2",))
    assert len(token_registry.service.granted) == 2
    first.close()
    second.close()


def test_an_identity_token_is_exchanged_for_bearer_tokens(token_registry: TokenRegistry, home: Path) -> None:
    config = {"auths": {token_registry.address: {"auth": AUTH, "identitytoken": IDENTITY_TOKEN}}}
    write_json(home / ".docker" / "config.json", config)
    for options in (fast(), fast(identity_token=IDENTITY_TOKEN)):
        repository = new(token_registry.address, options)
        put_kit(repository, ("v1",))
        repository.close()
    assert [(method, user) for method, user, _ in token_registry.service.granted] == [("POST", "refreshed")] * 2


def test_a_helper_may_give_an_identity_token(
    token_registry: TokenRegistry, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "acr", f"print({json.dumps({'Username': '<token>', 'Secret': IDENTITY_TOKEN})!r})")
    monkeypatch.setenv("PATH", str(tmp_path))
    write_json(home / ".docker" / "config.json", {"credHelpers": {token_registry.address: "acr"}})
    repository = new(token_registry.address, fast())
    put_kit(repository, ("v1",))
    assert token_registry.service.granted[0][:2] == ("POST", "refreshed")
    repository.close()


@pytest.mark.parametrize("credentials", [{"identity_token": "bad-secret"}, {"username": "x", "password": "bad-secret"}])
def test_a_token_service_that_refuses_is_named_without_the_secret(
    token_registry: TokenRegistry, credentials: dict[str, str]
) -> None:
    repository = new(token_registry.address, fast(**credentials))
    with pytest.raises(DeniedError, match=r"token service http://127\.0\.0\.1") as caught:
        repository.resolve("v1")
    assert "bad-secret" not in str(caught.value) + caught.value.hint
    repository.close()


def test_a_given_bearer_token_is_sent_as_it_is(token_registry: TokenRegistry) -> None:
    name = f"auth/{uuid4().hex}"
    token = token_registry.service.sign("somebody", [f"repository:{name}:pull,push"])
    repository = new(token_registry.address, fast(token=token), name)
    put_kit(repository, ("v1",))
    assert token_registry.service.granted == []
    repository.close()


def test_credentials_for_one_registry_are_sent_to_no_other(
    auth_registry: Served, token_registry: TokenRegistry
) -> None:
    with fault_proxy(token_registry.address) as elsewhere:
        kit = Reference(auth_registry.address, f"auth/{uuid4().hex}")
        for own in (fast(username=USERNAME, password=PASSWORD), fast(token="secret-token")):
            with Session(registries=Registries({auth_registry.address: own}, others=fast())) as session:
                if own.username:
                    put_kit(session.storage(kit, "registry"), ("v1",))
                with pytest.raises(DeniedError):
                    put_kit(session.storage(replace(kit, registry=elsewhere.address), "registry"), ("v1",))
        sent = " ".join(str(seen.headers.get("Authorization")) for seen in elsewhere.seen)
        assert "Basic" not in sent
        assert "secret-token" not in sent
        assert all(user != USERNAME for _, user, _ in token_registry.service.granted)


def test_a_token_that_has_ended_is_renewed(token_registry: TokenRegistry) -> None:
    token_registry.service.life = -1
    repository = new(token_registry.address, fast(username=USERNAME, password=PASSWORD))
    with pytest.raises(DeniedError):
        put_kit(repository, ("v1",))
    token_registry.service.life = 300
    put_kit(repository, ("v1",))
    repository.close()


def test_a_token_that_ends_while_a_blob_is_sent_is_renewed_for_the_rest(token_registry: TokenRegistry) -> None:
    service = token_registry.service
    service.life = 1

    def pause(index: int) -> None:
        if index == 2:
            time.sleep(2.1)
            service.life = 300

    repository = new(token_registry.address, fast(username=USERNAME, password=PASSWORD))
    source = Bytes(DATA, before=pause)
    assert repository.write_blob(source, Control()).descriptor == describe(DATA)
    assert source.started == 1
    assert len(service.granted) == 2
    repository.close()


def test_a_token_that_ended_before_a_blob_was_sent_costs_a_new_attempt(token_registry: TokenRegistry) -> None:
    with fault_proxy(token_registry.address) as proxy:
        repository = new(proxy.address, fast(username=USERNAME, password=PASSWORD))
        challenge = f'Bearer realm="{token_registry.service.realm}",service="test-registry",error="invalid_token"'
        proxy.fault("PATCH", "", answer(401, read=False, WWW_Authenticate=challenge))
        events, source = Events(), Bytes(DATA)
        assert repository.write_blob(source, events.control).outcome == "written"
        assert source.started == 2
        assert "token" in events.of("retry")[0].detail
        assert len(token_registry.service.granted) >= 2
        repository.close()


def test_a_token_about_to_end_is_renewed_before_a_blob_is_sent(
    token_registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, later = token_registry.service, 0.0
    clock = time.monotonic
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: clock() + later))
    service.announced = 100.0
    repository = new(token_registry.address, fast(username=USERNAME, password=PASSWORD))
    kit = put_kit(repository, ("v1",))
    assert len(service.granted) == 1
    later = 50.0
    repository.put_manifest(kit, ["v2"])
    assert len(service.granted) == 1  # good for a short request
    repository.write_blob(Bytes(DATA), Control())
    assert len(service.granted) == 2
    later = 148.0
    repository.put_manifest(kit, ["v3"])
    assert len(service.granted) == 3
    repository.close()


@pytest.fixture
def renewing() -> Iterator[Served]:
    """A registry whose password file a test may write again."""
    extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
    with serve_registry(extra, files={"htpasswd": HTPASSWD}) as served:
        yield served


@pytest.mark.parametrize("where", ["options", "file"])
def test_credentials_that_were_renewed_meanwhile_are_taken_from_the_first_refusal_on(
    renewing: Served, tmp_path: Path, where: str
) -> None:
    def given(user: str) -> RegistryOptions:
        return fast(username=user, password=PASSWORD)

    config = tmp_path / "config.json"
    options = replace(given(USERNAME), renew=lambda: given("renewed"))
    if where == "file":
        write_json(config, {"auths": {renewing.address: {"auth": AUTH}}})
        options = fast(credential_files=(config,))
    with fault_proxy(renewing.address) as proxy:
        if where == "file":
            write_json(config, {"auths": {proxy.address: {"auth": AUTH}}})
        repository = new(proxy.address, options)
        put_kit(repository, ("v1",))
        (renewing.root / "htpasswd").write_text(HTPASSWD.replace(USERNAME, "renewed"))
        os.utime(renewing.root / "htpasswd", (time.time() + 5, time.time() + 5))
        if where == "file":
            renewed = base64.b64encode(f"renewed:{PASSWORD}".encode()).decode()
            write_json(config, {"auths": {proxy.address: {"auth": renewed}}})
        before = len(proxy.seen)
        repository.resolve("v1")
        assert len(proxy.seen) - before == 2  # refused, and repeated
        repository.resolve("v1")
        assert len(proxy.seen) - before == 3
        repository.close()


def test_credentials_that_a_token_service_no_longer_takes_are_renewed(token_registry: TokenRegistry) -> None:
    asked = []

    def renew() -> RegistryOptions:
        asked.append(None)
        return fast(username=USERNAME, password=PASSWORD)

    repository = new(token_registry.address, fast(username=USERNAME, password="ended", renew=renew))
    kit = put_kit(repository, ("v1",))
    assert repository.resolve("v1").digest == kit.digest
    assert len(asked) == 1
    repository.close()


def test_credentials_that_are_the_same_when_asked_again_are_refused_at_once(auth_registry: Served) -> None:
    asked = []

    def renew() -> RegistryOptions:
        asked.append(None)
        return fast(username=USERNAME, password="wrong")

    with fault_proxy(auth_registry.address) as proxy:
        repository = new(proxy.address, fast(username=USERNAME, password="wrong", renew=renew))
        with pytest.raises(DeniedError):
            repository.resolve("v1")
        assert (len(proxy.seen), len(asked)) == (2, 1)
        repository.close()


def test_the_scope_a_registry_asks_for_comes_first(token_registry: TokenRegistry) -> None:
    with fault_proxy(token_registry.address) as proxy:
        repository = new(proxy.address, fast(username=USERNAME, password=PASSWORD))
        name = repository.name.partition("/")[2]
        challenge = f'Bearer realm="{token_registry.service.realm}",service="test-registry",scope="registry:catalog:*"'
        proxy.fault("HEAD", "", answer(401, WWW_Authenticate=challenge))
        with pytest.raises(Exception, match="does not exist"):
            repository.resolve("v1")
        assert token_registry.service.granted == [("GET", USERNAME, ("registry:catalog:*", f"repository:{name}:pull"))]
        repository.close()


def test_a_401_that_does_not_say_how_is_looked_up_at_the_root(token_registry: TokenRegistry) -> None:
    with fault_proxy(token_registry.address) as proxy:
        repository = new(proxy.address, fast(username=USERNAME, password=PASSWORD))
        proxy.fault("POST", "", change(lambda reply: reply.headers.pop("Www-Authenticate", None)))
        repository.write_blob(Bytes(DATA), Control())
        assert proxy.count("GET", "^/v2/$") == 1
        repository.close()


def test_credentials_are_not_sent_in_the_clear_to_a_token_service(auth_registry: Served) -> None:
    with fault_proxy(auth_registry.address) as proxy:
        challenge = 'Bearer realm="http://tokens.example.org/token?secret=abcdef",service="x"'
        proxy.fault("HEAD", "", answer(401, WWW_Authenticate=challenge), times=9)
        options = fast(username=USERNAME, password=PASSWORD, plain_http=None, keep_trying=0)
        repository = new(proxy.address, options)
        with pytest.raises(RegistryError, match="not reached over TLS") as caught:
            repository.resolve("v1")
        assert "abcdef" not in str(caught.value)
        repository.close()

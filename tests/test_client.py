"""The front door: one client for every verb, its connections and tokens kept; credentials stay with their host."""

from __future__ import annotations

import inspect
import os
import typing
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydantic
import pytest
from clients import client
from fault_proxy import fault_proxy
from registry_fixture import PASSWORD, USERNAME, Served, TokenRegistry
from signing_tools import KEY, OTHER_KEY

import kitops_core as kitops
from kitops_core import api

MOST_PARAMETERS = 9
HERE_AND_HOW = {"store", "registries", "on_event", "cancel", "run", "made_by", "key", "remote"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "model.bin").write_bytes(b"weights")
    (root / "README.md").write_text("# churn\n")
    return root


def login(registry: str) -> kitops.Registries:
    return kitops.Registries({registry: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)})


def public_functions() -> dict[str, typing.Callable[..., typing.Any]]:
    functions = {name: getattr(kitops, name) for name in kitops.__all__ if inspect.isfunction(getattr(kitops, name))}
    for kind in (kitops.Client, kitops.ModelKit):
        methods = inspect.getmembers(kind, inspect.isfunction)
        functions |= {f"{kind.__name__}.{name}": method for name, method in methods if not name.startswith("_")}
    return functions


# --- its shape ----------------------------------------------------------------------------------------------------


def test_no_public_function_has_more_than_nine_parameters_and_none_carries_where_and_how() -> None:
    for name, function in public_functions().items():
        parameters = set(inspect.signature(function).parameters) - {"self"}
        assert len(parameters) <= MOST_PARAMETERS, name
        assert not parameters & HERE_AND_HOW, name


def test_the_annotations_of_every_public_function_can_be_read_and_name_only_what_is_exported() -> None:
    exported = {getattr(kitops, name) for name in kitops.__all__ if inspect.isclass(getattr(kitops, name))}
    for name, function in public_functions().items():
        for hint in typing.get_type_hints(function).values():
            ours = {kind for kind in _classes(hint) if kind.__module__.startswith("kitops_core.")}
            assert ours <= exported, name


def test_the_annotations_of_a_function_can_also_be_read_by_the_names_of_its_own_module() -> None:
    for name, function in inspect.getmembers(api, inspect.isfunction):
        if not name.startswith("_") and function.__module__ != "functools":
            assert typing.get_type_hints(function, globalns=function.__globals__), name


def _classes(hint: typing.Any) -> set[type]:
    parts = typing.get_args(hint)
    found = {hint} if inspect.isclass(hint) and not parts else set()
    return found.union(*(_classes(part) for part in parts if not isinstance(part, str)))


def test_a_verb_is_a_method_and_a_function_with_the_same_parameters() -> None:
    for name, function in inspect.getmembers(api, inspect.isfunction):
        method = getattr(kitops.Client, name, None)
        if method is not None and not name.startswith("_"):
            own = [parameter for parameter in inspect.signature(method).parameters if parameter != "self"]
            given = [parameter for parameter in inspect.signature(function).parameters if parameter != "signer"]
            assert given == own, name


def test_pydantic_can_validate_the_calls_of_every_verb() -> None:
    for name, function in inspect.getmembers(api, inspect.isfunction):
        if not name.startswith("_") and function.__module__ != "functools":
            assert pydantic.validate_call(function), name
    with pytest.raises(pydantic.ValidationError, match="instance of SigningKey"):
        pydantic.validate_call(kitops.sign)("churn:1", signer=3)


def test_a_verb_can_be_validated_by_its_annotations(bundle: Path, tmp_path: Path) -> None:
    kitops.pack(bundle, "churn:1")
    unpack = pydantic.validate_call(kitops.unpack)
    assert unpack("churn:1", tmp_path / "out").files == 3
    with pytest.raises(pydantic.ValidationError):
        unpack("churn:1", tmp_path / "other", existing="perhaps")


# --- connections and tokens ---------------------------------------------------------------------------------------


def test_ten_verbs_ask_for_the_token_of_each_scope_once(bundle: Path, token_registry: TokenRegistry) -> None:
    name = f"{token_registry.address}/client/{uuid.uuid4().hex}"
    with client(registries=login(token_registry.address), signer=KEY) as one:
        one.pack(bundle, f"{name}:1", push=True, provenance=kitops.Provenance(metrics={"accuracy": 0.9}))
        one.resolve(f"{name}:1", where="registry")
        one.verify(f"{name}:1", keys=[KEY.public])
        one.metrics(f"{name}:1")
        one.referrers(f"{name}:1")
        one.tag(f"{name}:1", ["2"], where="registry")
        one.list_kits(name)
        with one.open(f"{name}:2", where="registry") as kit:
            kit.read("README.md")
        one.pull(f"{name}:1")
        one.pack(bundle, f"{name}:1", push=True)
    asked = Counter(frozenset(scopes) for _, _, scopes in token_registry.service.granted)
    assert set(asked.values()) == {1}


def test_a_client_is_used_by_many_threads_at_once(bundle: Path, registry: str) -> None:
    with client() as one, ThreadPoolExecutor(8) as pool:
        names = [f"{registry}/client/{uuid.uuid4().hex}:1" for _ in range(16)]
        packed = list(pool.map(lambda name: one.pack(bundle, name, push=True).digest, names))
        assert list(pool.map(lambda name: one.resolve(name, where="registry"), names)) == packed


def test_a_client_works_again_after_it_was_closed(bundle: Path, registry: str) -> None:
    one = client()
    name = f"{registry}/client/{uuid.uuid4().hex}:1"
    digest = one.pack(bundle, name, push=True).digest
    one.close()
    assert one.resolve(name, where="registry") == digest


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, where threads run: ours do not
def test_a_forked_child_opens_connections_of_its_own(bundle: Path, registry: str) -> None:
    one = client()
    name = f"{registry}/client/{uuid.uuid4().hex}:1"
    digest = one.pack(bundle, name, push=True).digest
    child = os.fork()
    if child == 0:
        os._exit(0 if one.resolve(name, where="registry") == digest else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert one.resolve(name, where="registry") == digest


# --- credentials --------------------------------------------------------------------------------------------------


def test_credentials_for_no_host_are_refused() -> None:
    for given in ({"username": "ci", "password": "secret"}, {"token": "secret"}, {"identity_token": "secret"}):
        with pytest.raises(kitops.InvalidInputError, match="would go to any") as caught:
            kitops.Registries(others=kitops.RegistryOptions(**given))
        assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_a_host_is_found_however_it_is_written() -> None:
    options = kitops.RegistryOptions(username="ci", password="x")
    hub = kitops.Registries({"docker.io": options, "Registry.Example.com:5000": options})
    for host in ("registry-1.docker.io", "index.docker.io", "registry.example.com:5000"):
        assert hub.options(host) is options
    assert not hub.options("registry.example.com").has_credentials


def test_what_one_registry_is_given_no_other_gets_however_it_asks(
    bundle: Path, auth_registry: Served, token_registry: TokenRegistry
) -> None:
    with fault_proxy(token_registry.address) as elsewhere:
        name = f"{elsewhere.address}/client/{uuid.uuid4().hex}:1"
        with pytest.raises(kitops.DeniedError):
            client(registries=login(auth_registry.address)).pack(bundle, name, push=True)
        assert "Basic" not in " ".join(str(seen.headers.get("Authorization")) for seen in elsewhere.seen)
    assert all(user != USERNAME for _, user, _ in token_registry.service.granted)


def test_one_promotion_goes_from_a_registry_with_a_login_to_an_open_one_and_back(
    bundle: Path, auth_registry: Served, registry: str, tmp_path: Path
) -> None:
    closed, opened = (f"{host}/client/{uuid.uuid4().hex}" for host in (auth_registry.address, registry))
    policy = kitops.PromotionPolicy(
        kit=closed,
        channels={
            "dev": kitops.Channel(),
            "staging": kitops.Channel(from_="dev", target=opened),
            "prod": kitops.Channel(from_="staging"),
        },
    )
    one = client(registries=login(auth_registry.address))
    digest = one.pack(bundle, f"{closed}:dev", push=True).digest
    assert one.promote("dev", "staging", policy=policy).digest == digest
    assert one.promote("staging", "prod", policy=policy).digest == digest
    assert [state.digest for state in one.channels(policy)] == [digest] * 3


# --- rules --------------------------------------------------------------------------------------------------------


def test_what_a_signer_packed_verifies_and_unpacks_verified(bundle: Path, registry: str, tmp_path: Path) -> None:
    for name, push in ((f"{registry}/client/{uuid.uuid4().hex}:1", True), ("churn:1", False)):
        client(signer=KEY).pack(bundle, name, push=push)
        assert kitops.verify(name, keys=[KEY.public]).signers == ("release.key",)
        policy = kitops.VerificationPolicy(keys=(KEY.public,))
        assert kitops.unpack(name, tmp_path / f"out-{push}", verify=policy).files == 3


def test_a_name_with_a_registry_means_the_registry_for_what_hangs_on_a_digest(bundle: Path, registry: str) -> None:
    name = f"{registry}/client/{uuid.uuid4().hex}:1"
    kitops.pack(bundle, name, push=True)
    kitops.pull(name)
    one = client(signer=KEY)
    assert one.sign(name).storage == "registry"
    assert one.attest_metrics(name, {"accuracy": 0.9}).storage == "registry"
    assert one.referrers(name).storage == "registry"
    assert one.verify(name, keys=[KEY.public]).storage == "registry"
    assert one.referrers(name, where="store").referrers == ()
    with one.open(name) as kit:  # what reads a kit looks here first, as the reference CLI does
        assert kit.storage == "local store"


def test_a_kits_metrics_are_what_trusted_statements_say_and_what_gates_count(bundle: Path, registry: str) -> None:
    name = f"{registry}/client/{uuid.uuid4().hex}"
    kitops.pack(bundle, f"{name}:dev", push=True)
    client(signer=KEY).attest_metrics(f"{name}:dev", {"accuracy": 0.51})
    kitops.attest_metrics(f"{name}:dev", {"accuracy": 0.99})
    client(signer=OTHER_KEY).attest_metrics(f"{name}:dev", {"auc": 0.7})
    assert kitops.metrics(f"{name}:dev", trusted=[KEY.public]) == {"accuracy": 0.51}
    assert kitops.metrics(f"{name}:dev", trusted=[OTHER_KEY.public]) == {"auc": 0.7}
    policy = kitops.PromotionPolicy.model_validate(
        {
            "kit": name,
            "trust": {"keys": [KEY.public.pem.decode()]},
            "channels": {"dev": {}, "prod": {"from": "dev", "gates": [{"metric": {"name": "accuracy", "min": 0.9}}]}},
        }
    )
    (gate,) = [gate for gate in kitops.promote("dev", "prod", policy=policy, dry_run=True).gates if not gate.passed]
    assert "0.51" in f"{gate.name} {gate.detail}"


def test_what_needs_a_signer_says_so(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    with pytest.raises(kitops.InvalidInputError, match="no key to sign 'churn:1' with"):
        client().sign("churn:1")


def test_signing_again_with_the_same_key_adds_nothing(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    assert kitops.sign("churn:1", KEY).digest == kitops.sign("churn:1", KEY).digest
    assert len(kitops.referrers("churn:1").referrers) == 1
    kitops.sign("churn:1", OTHER_KEY)
    assert len(kitops.referrers("churn:1").referrers) == 2

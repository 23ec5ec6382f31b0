"""What a command must not wait for: each is timed by what it imports, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import modules_after, modules_before_connecting, ok
from registry_fixture import PASSWORD, USERNAME, Served

MODELS = {"pydantic", "pydantic_core"}
"""What takes longest; no command needs the models of a Kitfile but those that make one up."""
NETWORK = {"urllib3", "ssl", "http", "socket"}
CLIENTS = {"urllib3", "http", "email"}
"""General clients of HTTP, and what they read heads with; TLS is only for those who speak it."""
OPEN_REGISTRY = {"kitops_core.storage.registry.challenge", "encodings.idna", "stringprep"}
"""What only a registry that asks for a password, or one with a name in another script, makes necessary."""
UNUSED = {"rich", "cryptography", "nacl", "oras", "requests", "identify", "asyncio", "concurrent", "inspect"}
LATER = {"kitops_core.kits.copy", "kitops_core.oci.manifest", "kitops_core.record", "kitops_core.kitfile", "hashlib"}
"""What a registry's first answer is needed for, and so can be imported while it is on its way."""


@pytest.fixture
def kit_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "kit"
    directory.mkdir()
    (directory / "Kitfile").write_text("package: {name: m}\nmodel: {path: model.bin}\ndocs: [{path: README.md}]\n")
    (directory / "model.bin").write_bytes(b"weights")
    (directory / "README.md").write_text("# m")
    return directory


@pytest.fixture
def packed(kit_directory: Path, registry: str, request: pytest.FixtureRequest) -> str:
    """A kit that is in the local store and in the registry under the same name."""
    name = f"{registry}/start/{request.node.name.partition('[')[0].replace('_', '-')}:1"
    ok("pack", kit_directory, "-t", name)
    ok("push", name)
    return name


LOCAL = [["list"], ["tag", "{kit}", "other:2"], ["inspect", "{kit}"], ["info", "{kit}"], ["remove", "{kit}"]]
REMOTE = [
    ["list", "{repository}"],
    ["tag", "--remote", "{kit}", "2"],
    ["inspect", "--remote", "{kit}"],
    ["push", "{kit}"],
    ["pull", "{kit}"],
    ["unpack", "--remote", "{kit}", "-d", "{out}"],
]


def filled(command: list[str], packed: str, out: Path) -> list[str]:
    return [part.format(kit=packed, repository=packed.rpartition(":")[0], out=out) for part in command]


@pytest.mark.parametrize("command", LOCAL, ids=lambda command: command[0])
def test_commands_on_the_local_store_import_neither_models_nor_the_network(
    command: list[str], packed: str, tmp_path: Path
) -> None:
    modules = modules_after(*filled(command, packed, tmp_path / "out"))
    assert modules & (MODELS | NETWORK | UNUSED) == set()


@pytest.mark.parametrize("command", REMOTE, ids=lambda command: command[0])
def test_commands_on_an_open_registry_import_neither_models_nor_what_only_closed_ones_need(
    command: list[str], packed: str, tmp_path: Path
) -> None:
    modules = modules_after(*filled(command, packed, tmp_path / "out"))
    assert modules & (MODELS | UNUSED | CLIENTS | OPEN_REGISTRY | {"ssl"}) == set()


def test_a_pull_asks_before_it_imports_what_the_answer_is_for() -> None:
    assert modules_before_connecting("pull", "127.0.0.1:9/start:1") & (LATER | UNUSED | {"json", "random"}) == set()


def test_login_imports_neither_models_nor_a_general_client(auth_registry: Served) -> None:
    modules = modules_after("login", auth_registry.address, "-u", USERNAME, "--password-stdin", stdin=PASSWORD)
    assert modules & (MODELS | UNUSED | CLIENTS | {"ssl"}) == set()


def test_packing_by_a_kitfile_and_unpacking_import_no_models(kit_directory: Path, tmp_path: Path) -> None:
    assert modules_after("pack", kit_directory, "-t", "m:1") & (MODELS | NETWORK | UNUSED) == set()
    assert modules_after("unpack", "m:1", "-d", tmp_path / "out") & (MODELS | NETWORK | UNUSED) == set()


def test_packing_to_a_registry_in_one_pass_imports_no_models(kit_directory: Path, registry: str) -> None:
    modules = modules_after("pack", kit_directory, "--push", "-t", f"{registry}/start/one-pass:1")
    assert modules & (MODELS | UNUSED | CLIENTS) == set()

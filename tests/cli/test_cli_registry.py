"""What the command does with kits in a real registry."""

from __future__ import annotations

import json
import re
import stat
import time
import uuid
from pathlib import Path

import pytest
from cli_runner import kit, ok
from registry_fixture import PASSWORD, USERNAME, Served

from kitops_core import ModelKitRecord

QUIET = ("--progress", "none")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my-model"
    root.mkdir()
    (root / "model.safetensors").write_bytes(bytes(5000))
    (root / "README.md").write_text("# A model\n")
    ok("init", root)
    return root


@pytest.fixture
def name(registry: str) -> str:
    """A repository that no other test uses."""
    return f"{registry}/ml/{uuid.uuid4().hex}"


def test_pack_then_push_says_what_was_sent(project: Path, name: str) -> None:
    digest = ok("pack", project, "-t", f"{name}:1.0", "--json").json["digest"]
    pushed = ok("push", f"{name}:1.0")
    assert re.fullmatch(rf"pushed  {digest}  [\d.]+ KiB sent, 0 B already there\n", pushed.out)
    assert "  model.safetensors  6.5 KiB  sent\n" in pushed.err
    assert ok("push", f"{name}:1.0").out == f"unchanged  {digest}  nothing sent\n"


def test_pack_with_push_sends_in_one_pass_and_keeps_nothing(project: Path, name: str) -> None:
    time.sleep(0.1)  # files that changed this very moment are read again: their digest is not trusted yet
    first = ok("pack", "--from", project, "--tag", f"{name}:1.0", "--push")
    digest = first.out.split()[1]
    assert re.fullmatch(r"pushed  sha256:\w+  8\.5 KiB sent, 0 B already there\n", first.out)
    again = ok("pack", "--from", project, "--tag", f"{name}:1.0", "--push")
    assert again.out == f"unchanged  {digest}  nothing sent\n"
    assert ok("list", "--json").json == []
    (project / "README.md").write_text("# Another\n")
    changed = ok("pack", project, "-t", f"{name}:1.0", "--push", *QUIET)
    assert changed.out.endswith("2.0 KiB sent, 6.5 KiB already there\n")
    assert changed.out.split()[1] != digest


def test_push_to_another_name(project: Path, name: str) -> None:
    ok("pack", project, "-t", "m:1")
    record = ModelKitRecord.from_dict(ok("push", "m:1", f"{name}:stable", "--json").json)
    assert record.reference == f"{name}:stable"
    assert record.changed
    assert [row["tag"] for row in ok("list", name, "--json").json] == ["stable"]
    assert ok("list", name).out.splitlines()[1].startswith(f"{name}   stable ")


def test_a_name_without_a_registry_cannot_be_pushed(project: Path) -> None:
    ok("pack", project, "-t", "m:1")
    for args in (["push", "m:1"], ["pack", project, "-t", "m:1", "--push"]):
        ran = kit(*args)
        assert ran.code == 3
        assert "names no registry" in ran.err


def test_pull_fetches_into_the_local_store(project: Path, name: str) -> None:
    digest = ok("pack", project, "-t", f"{name}:1.0", "--push", "--json").json["digest"]
    pulled = ok("pull", f"{name}:1.0")
    assert re.fullmatch(
        rf"pulled  {re.escape(name)}:1.0  {digest}  [\d.]+ KiB fetched, 0 B already there\n", pulled.out
    )
    assert ok("pull", f"{name}:1.0").out == f"unchanged  {name}:1.0  {digest}  nothing fetched\n"
    assert ok("list", "--json").json[0]["digest"] == digest


def test_unpack_info_inspect_and_diff_say_where_they_found_a_kit(project: Path, name: str, tmp_path: Path) -> None:
    digest = ok("pack", project, "-t", f"{name}:1.0", "--push", "--json").json["digest"]
    out = tmp_path / "out"
    commands = [["info", f"{name}:1.0"], ["inspect", f"{name}:1.0"], ["diff", f"{name}:1.0", f"{name}:1.0"]]
    commands.append(["unpack", f"{name}@{digest}", "-d", out, "--filter", "model", "-o"])
    for command in commands:
        assert "from the registry\n" in ok(*command).err
    assert [path.name for path in out.iterdir()] == ["model.safetensors"]
    ok("pull", f"{name}:1.0")
    for command in commands:
        assert "from the local store\n" in ok(*command).err
    for command in commands[:2]:
        assert "from the registry\n" in ok(*command, "--remote").err
    assert "from the registry\n" in ok(*commands[3], "--remote").err
    assert "from the registry\n" in ok("diff", f"local://{name}:1.0", f"remote://{name}:1.0").err


def test_tag_and_remove_work_in_the_registry_when_told(project: Path, name: str) -> None:
    digest = ok("pack", project, "-t", f"{name}:1.0", "--push", "--json").json["digest"]
    assert ok("tag", "--remote", f"{name}:1.0", "prod").out == f"tagged  {digest}  prod\n"
    assert [row["tag"] for row in ok("list", name, "--json").json] == ["1.0", "prod"]
    assert ok("remove", "-r", f"{name}@{digest}").out == f"removed  {name}@{digest}\n"
    assert kit("info", f"{name}:1.0").code == 4


def test_what_the_registry_does_not_have_is_code_4(name: str) -> None:
    for command in (["pull"], ["info"], ["unpack"]):
        ran = kit(*command, f"{name}:1.0")
        assert ran.code == 4
        assert "Traceback" not in ran.err
    assert kit("list", name).code == 4


def test_a_registry_that_is_not_there_is_code_7() -> None:
    ran = kit("pull", "127.0.0.1:1/ml/m:1", "--keep-trying", "0", *QUIET)
    assert ran.code == 7
    assert "error: cannot read 127.0.0.1:1/ml/m:1: the connection was refused" in ran.err


class TestLogin:
    @pytest.fixture
    def address(self, auth_registry: Served) -> str:
        return auth_registry.address

    def test_without_credentials_the_registry_denies(self, project: Path, address: str) -> None:
        ran = kit("pack", project, "-t", f"{address}/m:1", "--push")
        assert ran.code == 5
        assert "hint: " in ran.err

    def test_password_from_standard_input(self, project: Path, address: str, home: Path) -> None:
        ran = ok("login", address, "-u", USERNAME, "--password-stdin", stdin=PASSWORD + "\n")
        assert (ran.out, ran.err) == (f"logged in  {address}\n", "")
        kept = home / "kitops" / "credentials.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert list(json.loads(kept.read_text())["auths"]) == [address]
        ok("pack", project, "-t", f"{address}/m:1", "--push")
        assert ok("logout", address).out == f"logged out  {address}\n"
        assert kit("info", f"{address}/m:1").code == 5

    def test_password_on_the_command_line_works_with_a_warning(self, address: str) -> None:
        ran = ok("login", address, "-u", USERNAME, "-p", PASSWORD)
        assert ran.err.startswith("warning: ")
        assert "--password-stdin" in ran.err
        assert PASSWORD not in ran.out + ran.err

    def test_wrong_credentials_are_code_5_and_not_kept(self, address: str, home: Path) -> None:
        ran = kit("login", address, "-u", USERNAME, "--password-stdin", stdin="secret-but-wrong")
        assert ran.code == 5
        assert "secret-but-wrong" not in ran.out + ran.err
        assert not (home / "kitops" / "credentials.json").exists()

    def test_another_store_has_its_own_credentials(self, project: Path, address: str, tmp_path: Path) -> None:
        other = ("--config", tmp_path / "other")
        ok("login", address, "-u", USERNAME, "--password-stdin", *other, stdin=PASSWORD)
        assert kit("pack", project, "-t", f"{address}/m:1", "--push").code == 5
        ok("pack", project, "-t", f"{address}/m:1", "--push", *other)
        ok("logout", address, *other)

    @pytest.mark.parametrize(
        ("args", "stdin", "says"),
        [
            (["-u", "a"], "", "give --password-stdin"),
            ([], "", "give --username"),
            (["-u", "a", "--password-stdin"], "", "no password on standard input"),
            (["-u", "a", "-p", "b", "--password-stdin"], "c", "exclude each other"),
        ],
    )
    def test_says_what_is_missing_where_nobody_can_be_asked(
        self, args: list[str], stdin: str, says: str, address: str
    ) -> None:
        ran = kit("login", address, *args, stdin=stdin)
        assert ran.code == 2
        assert says in ran.err

    def test_logging_out_where_nobody_is_logged_in_is_code_4(self, address: str) -> None:
        ran = kit("logout", address)
        assert ran.code == 4
        assert f"not logged in to {address}" in ran.err

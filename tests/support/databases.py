"""A real PostgreSQL and a real Redis for the tests, on free loopback ports, with nothing kept on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from registry_fixture import free_port, scratch_directory

_TOOLS = Path(__file__).parents[2] / ".tools/usr"
_USERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root."""


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL until the block ends; gives ``user@host:port/database``."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="kitops-postgres-", dir=scratch_directory()) as name:
        root, port = Path(name), free_port()
        user = _user()
        if user:
            shutil.chown(root, user["user"])
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "200",
        }
        options = " ".join(f"-c {key}='{value}'" for key, value in settings.items())
        made = [initdb, "--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run(*made, "-D", f"{root}/data", **user)
        try:
            _run(control, "-D", f"{root}/data", "-l", f"{root}/log", "-o", options, "-w", "-t", "120", "start", **user)
            yield f"tester@127.0.0.1:{port}/postgres"
        finally:
            _run(control, "-D", f"{root}/data", "-m", "immediate", "-w", "stop", **user)


@contextmanager
def redis() -> Iterator[str]:
    """Run Redis until the block ends; gives ``redis://host:port``, without a database."""
    port = free_port()
    command = (_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with (
        tempfile.TemporaryDirectory(prefix="kitops-redis-", dir=scratch_directory()) as root,
        subprocess.Popen(command, cwd=root, env=_environment(command[0]), stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            said = next((line for line in process.stdout if "eady to accept connections" in line), None)
            if said is None:
                pytest.fail("Redis did not start", pytrace=False)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()


def _program(name: str) -> str:
    places = [os.environ["PATH"], str(_TOOLS / "bin")]
    places += [str(path) for root in (Path("/usr"), _TOOLS) for path in root.glob("lib/postgresql/*/bin")]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.fail(f"the tests need {name}: scripts/ensure-engines brings it", pytrace=False)
    return found


def _environment(program: str) -> dict[str, str]:
    """Where a program that was unpacked and not installed finds the libraries that came with it."""
    if not Path(program).is_relative_to(_TOOLS):
        return {**os.environ}
    libraries = [str(path) for path in _TOOLS.glob("lib/*-linux-*")]
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def _user() -> Mapping[str, Any]:
    """Whom PostgreSQL runs as, as arguments of a subprocess."""
    if os.geteuid() != 0:
        return {}
    import pwd

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _USERS if name in known)
    return {"user": entry.pw_name, "group": entry.pw_gid, "extra_groups": []}


def _run(*command: str, **user: Any) -> None:
    environment = {**_environment(command[0]), "HOME": "/nonexistent"}
    with tempfile.TemporaryFile("w+") as said:  # no pipe: the server would keep it open
        done = subprocess.run(command, env=environment, cwd="/", stdout=said, stderr=said, **user)
        said.seek(0)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: {said.read()[-2000:]}", pytrace=False)

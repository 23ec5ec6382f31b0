"""Who we are to a registry, as files and programs say it, and a repository to try it on."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path
from uuid import uuid4

from registry_fixture import PASSWORD, USERNAME

from kitops_core.storage.registry import RegistryOptions, RegistryRepository

AUTH = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()


def new(address: str, options: RegistryOptions, name: str = "") -> RegistryRepository:
    """A repository, by default one of its own."""
    return RegistryRepository(address, name or f"auth/{uuid4().hex}", options)


def write_json(path: Path, data: object) -> Path:
    """A file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def helper(directory: Path, name: str, body: str) -> None:
    """A real credential helper: a program ``docker-credential-<name>`` on PATH."""
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!{sys.executable} -S\nimport sys, json\nserver = sys.stdin.read()\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

"""Kits for the tests of what is served, and processes that serve them."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Any

from cli_runner import start

import kitops_core as kitops

FILES = {
    "Kitfile": (
        "manifestVersion: 1.0.0\npackage: {name: churn}\n"
        "model: {path: models/churn/model.bin, parts: [{path: models/churn/config.json}, {path: tokenizer}]}\n"
        "code: [{path: src}]\n"
    ),
    "models/churn/model.bin": "weights",
    "models/churn/config.json": '{"a": 1}',
    "tokenizer/tokenizer.json": '{"b": 2}',
    "src/train.py": "print('train')",
}
FLAT = {"model.bin": "weights", "config.json": '{"a": 1}', "tokenizer.json": '{"b": 2}'}


def write(directory: Path, **changed: str | bytes) -> Path:
    """A directory with the files of the sample kit, some of them changed."""
    for name, content in {**FILES, **changed}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def push(registry: str, directory: Path, **changed: str | bytes) -> str:
    """Push the sample kit to a repository of its own; its reference, by tag."""
    reference = f"{registry}/serving/{uuid.uuid4().hex[:12]}:1.0"
    kitops.pack(write(directory, **changed), reference, push=True)
    return reference


def read(directory: Path) -> dict[str, str]:
    """Every file below a directory, but those of whose name begins with a dot."""
    paths = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    relative = {path.relative_to(directory): path for path in paths}
    return {
        name.as_posix(): path.read_text()
        for name, path in relative.items()
        if not any(part.startswith(".") for part in name.parts)
    }


def releases(directory: Path) -> list[str]:
    """The names of what lies in the place beside a directory to serve."""
    place = directory.parent / f".{directory.name}.kitops"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def materializing(reference: str, to: Path, *args: object, **options: Any) -> subprocess.Popen[str]:
    """A process that materializes."""
    return start("materialize", reference, "--to", to, "--remote", *args, **options)
